//! What a payment is, what it means for who asks for a charge, and what a new customer may be charged.
//! Decides; does nothing.

mod charge;
mod credit;
mod ids;
mod payment;

pub use charge::{Answer, ChargeRequest, Total};
pub use credit::{CreditLimit, CreditLimitError};
pub use ids::{BillId, OrderId, PaymentId, UserId};
pub use payment::{DeclineReason, Outcome, Payment, Status};
