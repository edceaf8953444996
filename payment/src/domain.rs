//! Payments, replies to charge requests, accounts and credit limits. Without I/O.

mod account;
mod charge;
mod credit;
mod ids;
mod payment;

pub use account::{Account, LimitChange, LineError, Operator, Reason};
pub use charge::{ChargeReply, ChargeRequest, Total};
pub use credit::{CreditLimits, CreditLimitsError};
pub use ids::{BillId, ChangeId, OrderId, PaymentId, UserId};
pub use payment::{DeclineReason, Outcome, Payment, Status};
