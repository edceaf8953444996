//! The rules of an order: its values, its statuses and the transitions between them. No I/O.

mod charge;
mod create_order;
mod draft;
mod fingerprint;
mod key;
mod mismatch;
mod order;
mod settlement;
mod status;
mod values;

pub use charge::{Backlog, ChargeRequest, FencingToken, OrderSummary, PendingOrder};
pub use create_order::{CreateOrder, PriceMap, PricingError, RequestedItem};
pub use draft::{Draft, DraftError, Item};
pub use fingerprint::Fingerprint;
pub use key::{IdempotencyKey, KEY_BYTES_MAX};
pub use mismatch::{LineError, Mismatch, Operator, Reason, RecordedPayment, Resolution};
pub use order::Order;
pub use settlement::{Attempts, ChargeOutcome, Decline, Guard, Settlement, VoidOutcome};
pub use status::Status;
pub use values::{ITEMS_MAX, OrderId, PRODUCT_CODE_CHARS_MAX, ProductCode, QUANTITY_MAX, Quantity, UserId};
