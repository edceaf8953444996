//! Mismatches, for operators: orders that Payment knows with another amount, currency or user.
//!
//! Such an order is never charged. An operator voids it once Payment has confirmed the mismatch. PAID would
//! claim a charge of this order, and DECLINED an answer that Payment never gave; neither is true.

use std::{sync::Arc, time::Duration};

use crate::{
    domain::{Mismatch, Operator, Order, OrderId, Reason, RecordedPayment, Status},
    ports::{Mismatches, NewResolution, Orders, PaymentError, PaymentRecords, StoreError},
};

/// Timeout of the query of Payment.
pub const QUERY_MAX: Duration = Duration::from_secs(5);

/// The use cases of operators over their ports.
#[derive(Clone)]
pub struct MismatchService {
    /// The store of orders.
    pub orders: Arc<dyn Orders>,
    /// The mismatches in the same store.
    pub mismatches: Arc<dyn Mismatches>,
    /// The records of Payment.
    pub payments: Arc<dyn PaymentRecords>,
}

/// An order, what Payment has recorded for it, and the mismatch that Order has found, if any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examination {
    /// The order.
    pub order: Order,
    /// What Payment has recorded.
    pub payment: Option<RecordedPayment>,
    /// What Order has found.
    pub mismatch: Option<Mismatch>,
}

impl Examination {
    /// Why the order cannot be resolved; `None` if it can.
    pub fn obstacle(&self) -> Option<ResolveError> {
        let (order, status) = (self.order.id, self.order.status);
        if status != Status::Pending {
            return Some(ResolveError::NotPending { order, status });
        }
        let Some(charge) = self.order.charge() else { return Some(ResolveError::UnknownCurrency { order }) };
        match self.payment {
            None => Some(ResolveError::NoPayment { order }),
            Some(payment) if !payment.is_mismatch(&charge) => {
                Some(ResolveError::NoMismatch { order, payment })
            }
            Some(_) => None,
        }
    }
}

/// Why a mismatch was not resolved. Nothing was changed but in the case of [`Unknown`](Self::Unknown).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// There is no such order.
    #[error("order {order} does not exist")]
    NotFound {
        /// The order.
        order: OrderId,
    },
    /// The order is not PENDING.
    #[error("order {order} is {}, and only a PENDING order is resolved", status.name())]
    NotPending {
        /// The order.
        order: OrderId,
        /// Its status.
        status: Status,
    },
    /// A newer program has written the order.
    #[error("the currency of order {order} is unknown to this program: use that of the newer version")]
    UnknownCurrency {
        /// The order.
        order: OrderId,
    },
    /// Payment has no record of the order. A charge may be on its way.
    #[error(
        "Payment has no record of order {order}: no mismatch; Order charges it, or voids it when it is old"
    )]
    NoPayment {
        /// The order.
        order: OrderId,
    },
    /// What Payment has recorded agrees with the order.
    #[error("Payment has {payment}, which is no mismatch: Order settles order {order} by it")]
    NoMismatch {
        /// The order.
        order: OrderId,
        /// The record.
        payment: RecordedPayment,
    },
    /// Payment did not respond.
    #[error("{0}, so that the mismatch is not confirmed; nothing was changed")]
    Payment(PaymentError),
    /// The store could not be read or written.
    #[error("the database of orders could not be used; nothing was changed")]
    Unavailable,
    /// The write has no response.
    #[error("the order may have been resolved: run the command again, it shows what is recorded")]
    Unknown,
}

impl MismatchService {
    /// The mismatches that no operator has resolved; with `all`, every one. Oldest order first.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn list(&self, all: bool) -> Result<Vec<Mismatch>, StoreError> {
        self.mismatches.list(all).await
    }

    /// Reads the order, and queries Payment for it. Changes nothing.
    ///
    /// # Errors
    ///
    /// [`ResolveError::NotFound`], [`ResolveError::Payment`], [`ResolveError::Unavailable`].
    pub async fn examine(&self, id: OrderId) -> Result<Examination, ResolveError> {
        let unavailable = |_: StoreError| ResolveError::Unavailable;
        let order = self.orders.find(id).await.map_err(unavailable)?;
        let order = order.ok_or(ResolveError::NotFound { order: id })?;
        let mismatch = self.mismatches.find(id).await.map_err(unavailable)?;
        let payment = self.payments.recorded(id, QUERY_MAX).await.map_err(ResolveError::Payment)?;
        Ok(Examination { order, payment, mismatch })
    }

    /// Voids the order, and records who did it and why, if Payment confirms the mismatch. What Payment has
    /// recorded never changes, so that no task charges the order between the query and the write.
    ///
    /// # Errors
    ///
    /// [`ResolveError`].
    pub async fn void(
        &self,
        id: OrderId,
        operator: Operator,
        reason: Reason,
    ) -> Result<Mismatch, ResolveError> {
        let examination = self.examine(id).await?;
        if let Some(obstacle) = examination.obstacle() {
            return Err(obstacle);
        }
        let payment = examination.payment.map(|payment| payment.to_string()).unwrap_or_default();
        let resolution = NewResolution { order: id, status: Status::Voided, operator, reason, payment };
        match self.mismatches.resolve(&resolution).await {
            Ok(true) => {}
            // Another operator was first, or the settlement of an earlier answer.
            Ok(false) => {
                let found = self.orders.find(id).await.map_err(|_| ResolveError::Unavailable)?;
                let status = found.map_or(Status::Pending, |found| found.status);
                return Err(ResolveError::NotPending { order: id, status });
            }
            Err(StoreError::NotStarted | StoreError::Rejected) => return Err(ResolveError::Unavailable),
            Err(StoreError::Unknown) => {}
        }
        let found = self.mismatches.find(id).await.map_err(|_| ResolveError::Unknown)?;
        let own = found.filter(|found| {
            found.resolution.as_ref().is_some_and(|recorded| {
                (&recorded.operator, &recorded.reason) == (&resolution.operator, &resolution.reason)
            })
        });
        own.ok_or(ResolveError::Unknown)
    }
}
