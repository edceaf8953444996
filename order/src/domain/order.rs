//! An order and its transitions.

use money::Money;

use super::{
    ChargeRequest, Decline, Draft, FencingToken, Fingerprint, IdempotencyKey, Item, OrderId, Status, UserId,
};

/// An order as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The id.
    pub id: OrderId,
    /// The customer.
    pub user: UserId,
    /// The idempotency key of the request, unique for the user.
    pub key: IdempotencyKey,
    /// The fingerprint of the request.
    pub fingerprint: Fingerprint,
    /// The items, in the order of the request; none if `total` is `None`.
    pub items: Vec<Item>,
    /// The total, computed once; `None` if this program does not know the currency of the stored order.
    pub total: Option<Money>,
    /// The status.
    pub status: Status,
    /// Why Payment declined; `Some` if the status is DECLINED.
    pub decline: Option<Decline>,
    /// Rises with every claim. A task with a lower fence has lost the order to another task.
    pub fence: i64,
    /// How many tasks have started to charge the order.
    pub attempts: i64,
    /// When the order was created, in milliseconds since the Unix epoch.
    pub created_ms: i64,
}

impl Order {
    /// A new PENDING order, claimed by the request that creates it.
    pub fn place(id: OrderId, key: IdempotencyKey, draft: Draft, now_ms: i64) -> Self {
        let (user, total) = (draft.user(), draft.total());
        let (items, fingerprint) = draft.into_parts();
        Self {
            id,
            user,
            key,
            fingerprint,
            total: Some(total),
            items,
            status: Status::Pending,
            decline: None,
            fence: 1,
            attempts: 1,
            created_ms: now_ms,
        }
    }

    /// The order once a NOT_CHARGED order has been made PENDING again.
    #[must_use]
    pub fn reopened(self) -> Self {
        Self { status: Status::Pending, ..self.claimed() }
    }

    /// The order once a claim with its [`fencing_token`](Self::fencing_token) has succeeded.
    #[must_use]
    pub fn claimed(self) -> Self {
        Self { fence: self.fencing_token().next().fence, attempts: self.attempts + 1, ..self }
    }

    /// The charge to request from Payment; `None` if the total is not known.
    pub fn charge(&self) -> Option<ChargeRequest> {
        self.total.map(|total| ChargeRequest { order: self.id, user: self.user, total })
    }

    /// The token with which this state of the order may be changed.
    pub fn fencing_token(&self) -> FencingToken {
        FencingToken { order: self.id, fence: self.fence }
    }
}
