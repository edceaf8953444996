//! In what order things happen: charging for an order, giving one up, and reading back what was recorded.
//!
//! Every method may be called any number of times for one order, by anyone, at once.

mod accounts;

use std::sync::Arc;

use crate::{
    domain::{
        BillId, ChargeReply, ChargeRequest, CreditLimit, DeclineReason, OrderId, Payment, PaymentId, UserId,
    },
    ports::{Clock, IdGenerator, Ledger, LedgerError, NewCharge, NewVoid},
};

pub use accounts::{AccountService, LimitError, SetLimit, ShowError};

/// How often ids are drawn before giving up: two instances draw the same one about once in 2,000 tries within
/// a millisecond.
pub const ID_ATTEMPTS_MAX: usize = 8;

/// The service's use cases, over whatever ports it is given. A clone is the same application.
#[derive(Clone)]
pub struct Application {
    /// Where accounts and payments are kept.
    pub ledger: Arc<dyn Ledger>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// New ids.
    pub ids: Arc<dyn IdGenerator>,
    /// The credit limit of accounts that are opened.
    pub credit_limit: CreditLimit,
}

/// A charge that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// The record of it: the same for every call for its order.
    pub payment: PaymentId,
    /// The bill it is on.
    pub bill: BillId,
}

/// Why a charge is not known to have been made, by what the caller can conclude.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChargeError {
    /// Refused, for good; the account is as it was.
    #[error("declined")]
    Declined {
        /// Whose account.
        user: UserId,
        /// Why.
        reason: DeclineReason,
    },
    /// The order was given up before; nothing is charged, ever.
    #[error("voided")]
    Voided {
        /// Which order.
        order: OrderId,
    },
    /// The order is known with another amount, currency or user; this call charged nothing.
    #[error("mismatch")]
    Mismatch {
        /// Which order.
        order: OrderId,
    },
    /// This call did nothing; an earlier one may have.
    #[error("not started")]
    NotStarted,
    /// It may have been charged; asking again tells.
    #[error("unknown")]
    Unknown,
}

/// Why an order is not known to be given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VoidError {
    /// This call did nothing.
    #[error("not started")]
    NotStarted,
    /// It may have been recorded; asking again tells.
    #[error("unknown")]
    Unknown,
}

/// Why nothing could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Nothing is recorded for the order yet.
    #[error("payment not found")]
    NotFound {
        /// Which order.
        order: OrderId,
    },
    /// The ledger did not answer.
    #[error("the ledger could not be read")]
    Unavailable,
}

impl Application {
    /// ChargeMetrics the customer for the order, unless something is recorded for it already, and tells what is.
    ///
    /// # Errors
    ///
    /// [`ChargeError`]: every outcome but a charge.
    pub async fn charge(&self, request: ChargeRequest) -> Result<Receipt, ChargeError> {
        let (user, order) = (request.user, request.order);
        let recorded = self.record_charge(request).await.map_err(|error| match error {
            LedgerError::Conflict | LedgerError::NotStarted => ChargeError::NotStarted,
            LedgerError::Unknown => ChargeError::Unknown,
        })?;
        match recorded.reply_to(&request) {
            ChargeReply::Charged { payment, bill } => Ok(Receipt { payment, bill }),
            ChargeReply::Declined(reason) => Err(ChargeError::Declined { user, reason }),
            ChargeReply::Voided => Err(ChargeError::Voided { order }),
            ChargeReply::Mismatch => Err(ChargeError::Mismatch { order }),
        }
    }

    /// Makes sure that the order, if nothing is recorded for it yet, is never charged, and returns what is
    /// recorded for it now.
    ///
    /// # Errors
    ///
    /// [`VoidError`].
    pub async fn void(&self, order: OrderId) -> Result<Payment, VoidError> {
        self.record_void(order).await.map_err(|error| match error {
            LedgerError::Conflict | LedgerError::NotStarted => VoidError::NotStarted,
            LedgerError::Unknown => VoidError::Unknown,
        })
    }

    /// What is recorded for the order.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub async fn payment(&self, order: OrderId) -> Result<Payment, ReadError> {
        let found = self.ledger.find(order).await.map_err(|_| ReadError::Unavailable)?;
        found.ok_or(ReadError::NotFound { order })
    }

    async fn record_charge(&self, request: ChargeRequest) -> Result<Payment, LedgerError> {
        let opening_limit = self.credit_limit.in_currency(request.total.get().currency());
        for _ in 0..ID_ATTEMPTS_MAX {
            let (payment, bill) = (self.ids.payment_id(), self.ids.bill_id());
            let now_ms = self.clock.now_ms();
            let charge = NewCharge { request, payment, bill, opening_limit, now_ms };
            match self.ledger.record_charge(&charge).await {
                Err(LedgerError::Conflict) => {}
                recorded => return recorded,
            }
        }
        Err(LedgerError::Conflict)
    }

    async fn record_void(&self, order: OrderId) -> Result<Payment, LedgerError> {
        for _ in 0..ID_ATTEMPTS_MAX {
            let void = NewVoid { order, payment: self.ids.payment_id(), now_ms: self.clock.now_ms() };
            match self.ledger.record_void(&void).await {
                Err(LedgerError::Conflict) => {}
                recorded => return recorded,
            }
        }
        Err(LedgerError::Conflict)
    }
}
