//! The requests of clients and their outcomes.

use std::time::Duration;

use money::Money;
use order::{
    application::{PlaceError, Placed},
    domain::{Fingerprint, IdempotencyKey, OrderId, UserId},
};

/// A request, recorded when it is sent.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) user: UserId,
    /// `None` where Order generates one.
    pub(crate) key: Option<IdempotencyKey>,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) total: Money,
    /// When it was sent, from the start of the run.
    pub(crate) sent: Duration,
    /// Its outcome, and when the client received it; `None` while the client waits.
    pub(crate) outcome: Option<(Duration, RequestOutcome)>,
}

/// The outcome of a request, as its client sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RequestOutcome {
    /// `true` for a replay.
    Paid(OrderId, bool),
    /// `true` for a replay.
    Declined(OrderId, bool),
    NotCharged(OrderId),
    OutcomeUnknown(OrderId),
    InProgress(OrderId),
    KeyReused(OrderId),
    Voided(OrderId),
    NotStarted,
    /// The instance was killed.
    Lost,
    /// The client disconnected.
    Disconnected,
}

impl RequestOutcome {
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
        "none: the instance was killed",
        "none: the client disconnected",
    ];

    /// The index in [`KINDS`](Self::KINDS).
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
            Self::Disconnected => 11,
        }
    }

    pub(crate) fn order(&self) -> Option<OrderId> {
        match self {
            Self::Paid(order, _)
            | Self::Declined(order, _)
            | Self::NotCharged(order)
            | Self::OutcomeUnknown(order)
            | Self::InProgress(order)
            | Self::KeyReused(order)
            | Self::Voided(order) => Some(*order),
            Self::NotStarted | Self::Lost | Self::Disconnected => None,
        }
    }

    /// Whether every later request with the key has the same outcome.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self, Self::Paid(..) | Self::Declined(..) | Self::Voided(_) | Self::KeyReused(_))
    }
}

impl From<Result<Placed, PlaceError>> for RequestOutcome {
    fn from(result: Result<Placed, PlaceError>) -> Self {
        match result {
            Ok(Placed { order, replayed }) => Self::Paid(order.id, replayed),
            Err(PlaceError::Declined { order, replayed, .. }) => Self::Declined(order, replayed),
            Err(PlaceError::NotCharged { order }) => Self::NotCharged(order),
            Err(PlaceError::OutcomeUnknown { order }) => Self::OutcomeUnknown(order),
            Err(PlaceError::InProgress { order }) => Self::InProgress(order),
            Err(PlaceError::KeyReused { order }) => Self::KeyReused(order),
            Err(PlaceError::Voided { order }) => Self::Voided(order),
            Err(PlaceError::NotStarted(_)) => Self::NotStarted,
            Err(PlaceError::NotStored) => panic!("the store refuses no data"),
            Err(PlaceError::Pricing(errors)) => panic!("there is no price list: {errors:?}"),
        }
    }
}
