//! Use cases: charge for an order, void an order, read a payment.
//!
//! Every method is idempotent per order and may be called concurrently, on any number of instances.

mod accounts;

use std::sync::Arc;

use crate::{
    domain::{
        BillId, ChargeReply, ChargeRequest, CreditLimits, DeclineReason, OrderId, Payment, PaymentId, UserId,
    },
    ports::{Clock, IdGenerator, Ledger, LedgerError, NewCharge, NewVoid},
};

pub use accounts::{AccountService, LimitError, SetLimit, ShowError};

/// Limit of attempts with new ids. Two instances that draw an id in the same millisecond draw the same one
/// with a probability of about 1 in 2,000.
pub const ID_ATTEMPTS_MAX: usize = 8;

/// The use cases of the service over its ports. Clones share the ports.
#[derive(Clone)]
pub struct Application {
    /// Stores accounts and payments.
    pub ledger: Arc<dyn Ledger>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Generates ids.
    pub ids: Arc<dyn IdGenerator>,
    /// The credit limits of new accounts, which name the accepted currencies.
    pub credit_limits: Arc<CreditLimits>,
}

/// The result of a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// The id of the payment; the same for every call for this order.
    pub payment: PaymentId,
    /// The bill of the charge.
    pub bill: BillId,
}

/// Why an order is not known to be charged, by what the caller can conclude.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChargeError {
    /// Declined, final; nothing was charged.
    #[error("declined")]
    Declined {
        /// The customer.
        user: UserId,
        /// The reason.
        reason: DeclineReason,
    },
    /// The order was voided before; it will never be charged.
    #[error("voided")]
    Voided {
        /// The order.
        order: OrderId,
    },
    /// The payment of the order has another amount, currency or user; this call charged nothing.
    #[error("mismatch")]
    Mismatch {
        /// The order.
        order: OrderId,
    },
    /// This call charged nothing; an earlier one may have.
    #[error("not started")]
    NotStarted,
    /// As [`NotStarted`](Self::NotStarted), and a retry fails as well: the ledger refuses the data.
    #[error("refused by the ledger")]
    NotStored,
    /// The order may have been charged; a retry returns the outcome.
    #[error("unknown")]
    Unknown,
}

/// Why an order is not known to be voided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VoidError {
    /// This call recorded nothing.
    #[error("not started")]
    NotStarted,
    /// This call recorded nothing, and a retry fails as well: the ledger refuses the data.
    #[error("refused by the ledger")]
    NotStored,
    /// The order may have been voided; a retry returns the outcome.
    #[error("unknown")]
    Unknown,
}

/// Why a payment could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// No payment is recorded for the order yet.
    #[error("payment not found")]
    NotFound {
        /// The order.
        order: OrderId,
    },
    /// The ledger is not available.
    #[error("the ledger could not be read")]
    Unavailable,
}

impl Application {
    /// Charges the customer for the order, unless a payment exists for it. Returns the recorded outcome.
    ///
    /// # Errors
    ///
    /// [`ChargeError`]: every outcome but a charge.
    pub async fn charge(&self, request: ChargeRequest) -> Result<Receipt, ChargeError> {
        let (user, order) = (request.user, request.order);
        let payment = self.record_charge(request).await.map_err(|error| match error {
            LedgerError::Conflict | LedgerError::NotStarted => ChargeError::NotStarted,
            LedgerError::Rejected => ChargeError::NotStored,
            LedgerError::Unknown => ChargeError::Unknown,
        })?;
        match payment.reply_to(&request) {
            ChargeReply::Charged { payment, bill } => Ok(Receipt { payment, bill }),
            ChargeReply::Declined(reason) => Err(ChargeError::Declined { user, reason }),
            ChargeReply::Voided => Err(ChargeError::Voided { order }),
            ChargeReply::Mismatch => Err(ChargeError::Mismatch { order }),
        }
    }

    /// Records a VOIDED payment (a tombstone) unless a payment exists for the order, so that a late charge is
    /// rejected. Returns the order's payment.
    ///
    /// # Errors
    ///
    /// [`VoidError`].
    pub async fn void(&self, order: OrderId) -> Result<Payment, VoidError> {
        self.record_void(order).await.map_err(|error| match error {
            LedgerError::Conflict | LedgerError::NotStarted => VoidError::NotStarted,
            LedgerError::Rejected => VoidError::NotStored,
            LedgerError::Unknown => VoidError::Unknown,
        })
    }

    /// Returns the payment of the order.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub async fn payment(&self, order: OrderId) -> Result<Payment, ReadError> {
        let found = self.ledger.find(order).await.map_err(|_| ReadError::Unavailable)?;
        found.ok_or(ReadError::NotFound { order })
    }

    async fn record_charge(&self, request: ChargeRequest) -> Result<Payment, LedgerError> {
        let opening_limit = self.credit_limits.limit_in(request.total.get().currency());
        for _ in 0..ID_ATTEMPTS_MAX {
            let (payment, bill) = (self.ids.payment_id(), self.ids.bill_id());
            let now_ms = self.clock.now_ms();
            let charge = NewCharge { request, payment, bill, opening_limit, now_ms };
            match self.ledger.record_charge(&charge).await {
                Err(LedgerError::Conflict) => {}
                result => return result,
            }
        }
        Err(LedgerError::Conflict)
    }

    async fn record_void(&self, order: OrderId) -> Result<Payment, LedgerError> {
        for _ in 0..ID_ATTEMPTS_MAX {
            let void = NewVoid { order, payment: self.ids.payment_id(), now_ms: self.clock.now_ms() };
            match self.ledger.record_void(&void).await {
                Err(LedgerError::Conflict) => {}
                result => return result,
            }
        }
        Err(LedgerError::Conflict)
    }
}
