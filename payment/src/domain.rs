//! What a payment is, what it means for who asks for a charge, and what a new customer may be charged.
//! Decides; does nothing.

mod account;
mod charge;
mod credit;
mod ids;
mod payment;

pub use account::{Account, LimitChange, LineError, Operator, Reason};
pub use charge::{ChargeReply, ChargeRequest, Total};
pub use credit::{CreditLimit, CreditLimitError};
pub use ids::{BillId, ChangeId, OrderId, PaymentId, UserId};
pub use payment::{DeclineReason, Outcome, Payment, Status};
