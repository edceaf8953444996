//! What customers asked for and what they were told.

use std::time::Duration;

use money::Money;
use order::{
    application::{PlaceError, Placed},
    domain::{Fingerprint, IdempotencyKey, OrderId, UserId},
};

/// A request, on record from the moment it is sent.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) user: UserId,
    /// `None` where Order is to make one.
    pub(crate) key: Option<IdempotencyKey>,
    /// What it means.
    pub(crate) meaning: Fingerprint,
    pub(crate) total: Money,
    /// When, counted from the start of the run.
    pub(crate) sent: Duration,
    /// What its sender was told, and when; `None` while it waits.
    pub(crate) told: Option<(Duration, Told)>,
}

/// How a request ended for who sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    /// Charged; `true` for a replay.
    Paid(OrderId, bool),
    /// Refused by Payment; `true` for a replay.
    Declined(OrderId, bool),
    NotCharged(OrderId),
    OutcomeUnknown(OrderId),
    InProgress(OrderId),
    KeyReused(OrderId),
    Voided(OrderId),
    NotStarted,
    /// The instance was killed.
    Lost,
    /// Its sender did not wait.
    HungUp,
}

impl Told {
    pub(crate) const KINDS: &[&str] = &[
        "PAID",
        "PAID, replayed",
        "DECLINED",
        "DECLINED, replayed",
        "NOT_CHARGED",
        "OUTCOME_UNKNOWN",
        "IDEMPOTENCY_IN_PROGRESS",
        "IDEMPOTENCY_KEY_REUSED",
        "ORDER_VOIDED",
        "NOT_STARTED",
        "nothing: the instance was killed",
        "nothing: the customer left",
    ];

    /// Which of [`KINDS`](Self::KINDS) it is.
    pub(crate) fn kind(&self) -> usize {
        match self {
            Self::Paid(_, replayed) => usize::from(*replayed),
            Self::Declined(_, replayed) => 2 + usize::from(*replayed),
            Self::NotCharged(_) => 4,
            Self::OutcomeUnknown(_) => 5,
            Self::InProgress(_) => 6,
            Self::KeyReused(_) => 7,
            Self::Voided(_) => 8,
            Self::NotStarted => 9,
            Self::Lost => 10,
            Self::HungUp => 11,
        }
    }

    /// The order that it names.
    pub(crate) fn order(&self) -> Option<OrderId> {
        match self {
            Self::Paid(order, _)
            | Self::Declined(order, _)
            | Self::NotCharged(order)
            | Self::OutcomeUnknown(order)
            | Self::InProgress(order)
            | Self::KeyReused(order)
            | Self::Voided(order) => Some(*order),
            Self::NotStarted | Self::Lost | Self::HungUp => None,
        }
    }

    /// Whether asking again with the same key would be answered alike for ever.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self, Self::Paid(..) | Self::Declined(..) | Self::Voided(_) | Self::KeyReused(_))
    }
}

impl From<Result<Placed, PlaceError>> for Told {
    fn from(answer: Result<Placed, PlaceError>) -> Self {
        match answer {
            Ok(Placed { order, replayed }) => Self::Paid(order.id, replayed),
            Err(PlaceError::Declined { order, replayed, .. }) => Self::Declined(order, replayed),
            Err(PlaceError::NotCharged { order }) => Self::NotCharged(order),
            Err(PlaceError::OutcomeUnknown { order }) => Self::OutcomeUnknown(order),
            Err(PlaceError::InProgress { order }) => Self::InProgress(order),
            Err(PlaceError::KeyReused { order }) => Self::KeyReused(order),
            Err(PlaceError::Voided { order }) => Self::Voided(order),
            Err(PlaceError::NotStarted(_)) => Self::NotStarted,
            Err(PlaceError::Pricing(errors)) => panic!("there is no price list: {errors:?}"),
        }
    }
}
