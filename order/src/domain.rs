//! What an order is, what is allowed of it, and what may become of it. Decides; does nothing.

mod basket;
mod charge;
mod draft;
mod fingerprint;
mod key;
mod order;
mod settlement;

pub use basket::{Basket, Line, Quotes, Refusal};
pub use charge::{Backlog, ChargeRequest, Due, Entry, Hold};
pub use draft::{
    Draft, DraftError, ITEMS_MAX, Item, PRODUCT_CODE_CHARS_MAX, ProductCode, QUANTITY_MAX, Quantity, UserId,
};
pub use fingerprint::Fingerprint;
pub use key::{IdempotencyKey, KEY_BYTES_MAX};
pub use order::{Order, OrderId, Status};
pub use settlement::{Attempts, ChargeOutcome, Decline, Guard, Settlement, VoidOutcome};
