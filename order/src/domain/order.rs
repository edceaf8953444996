//! An order as it is kept.

use std::fmt;

use money::Money;

use super::{ChargeRequest, Decline, Draft, Fingerprint, Hold, IdempotencyKey, Item, UserId};

/// An order's id: above 0, below 2^53, later orders having higher ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderId(i64);

impl OrderId {
    /// `None` unless `id` is above 0.
    pub fn new(id: i64) -> Option<Self> {
        (id > 0).then_some(Self(id))
    }

    /// The number.
    pub fn get(self) -> i64 {
        self.0
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What became of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// The outcome of the charge is not known yet.
    Pending,
    /// Charged. Final.
    Paid,
    /// Refused by Payment. Final.
    Declined,
    /// Recorded: no charge happened, nor will one by itself. The same key may try again.
    NotCharged,
    /// Given up, with a tombstone at Payment. Final.
    Voided,
}

impl Status {
    const ALL: [Self; 5] = [Self::Pending, Self::Paid, Self::Declined, Self::NotCharged, Self::Voided];

    /// The name that is stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Paid => "PAID",
            Self::Declined => "DECLINED",
            Self::NotCharged => "NOT_CHARGED",
            Self::Voided => "VOIDED",
        }
    }

    /// The status that has this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

/// An order as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Its id.
    pub id: OrderId,
    /// Whose it is.
    pub user: UserId,
    /// The name of the request that placed it, unique for the user.
    pub key: IdempotencyKey,
    /// What that request meant.
    pub fingerprint: Fingerprint,
    /// What was ordered, in the caller's order.
    pub items: Vec<Item>,
    /// The sum, computed once.
    pub total: Money,
    /// What became of it.
    pub status: Status,
    /// Why Payment refused; `Some` where the status is DECLINED.
    pub decline: Option<Decline>,
    /// Rises whenever somebody takes the order in hand. Who holds an older value lost it.
    pub fence: i64,
    /// How often somebody set out to charge it.
    pub attempts: i64,
    /// When it was placed, in milliseconds since the Unix epoch.
    pub created_ms: i64,
}

impl Order {
    /// A new order, PENDING, in the hands of whoever places it.
    pub fn place(id: OrderId, key: IdempotencyKey, draft: Draft, now_ms: i64) -> Self {
        let (user, total) = (draft.user(), draft.total());
        let (items, fingerprint) = draft.into_parts();
        Self {
            id,
            user,
            key,
            fingerprint,
            total,
            items,
            status: Status::Pending,
            decline: None,
            fence: 1,
            attempts: 1,
            created_ms: now_ms,
        }
    }

    /// The same order, PENDING once more after NOT_CHARGED.
    #[must_use]
    pub fn reopened(self) -> Self {
        Self { status: Status::Pending, ..self.taken() }
    }

    /// The same order, in the hands of whoever claimed it by [`hold`](Self::hold), to charge it.
    #[must_use]
    pub fn taken(self) -> Self {
        Self { fence: self.hold().taken().fence, attempts: self.attempts + 1, ..self }
    }

    /// What Payment is asked to charge for it.
    pub fn charge(&self) -> ChargeRequest {
        ChargeRequest { order: self.id, user: self.user, total: self.total }
    }

    /// The order in the hands of whoever read or wrote this.
    pub fn hold(&self) -> Hold {
        Hold { order: self.id, fence: self.fence }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_stored_by_its_name() {
        for status in Status::ALL {
            assert_eq!(Status::from_name(status.name()), Some(status));
        }
        assert_eq!(Status::from_name("paid"), None);
    }
}
