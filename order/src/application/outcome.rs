//! The outcomes of a request to place an order.

use crate::{
    domain::{Decline, Order, OrderId, PricingError, Status},
    ports::PlacementOutcome,
};

/// An order that was charged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The order, PAID.
    pub order: Order,
    /// Whether an earlier request with this key placed it.
    pub replayed: bool,
}

/// Why an order is not known to be charged, by what the client can do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// Nothing was done; the client may retry.
    #[error("not started: {0}")]
    NotStarted(&'static str),
    /// The store refuses the data of the order; nothing was done, and a retry fails as well.
    #[error("refused by the store")]
    NotStored,
    /// Items cannot be priced; nothing was done.
    #[error("refused by the price list")]
    Pricing(Vec<PricingError>),
    /// Payment declined the charge, for good.
    #[error("declined")]
    Declined {
        /// The order.
        order: OrderId,
        /// Why.
        decline: Decline,
        /// Whether this repeats the response to an earlier request with this key.
        replayed: bool,
    },
    /// The order is recorded as NOT_CHARGED; a retry with the same key charges it.
    #[error("not charged")]
    NotCharged {
        /// The order.
        order: OrderId,
    },
    /// The order may have been charged; recovery settles it.
    #[error("outcome unknown")]
    OutcomeUnknown {
        /// The order.
        order: OrderId,
    },
    /// Another request with this key is still in progress.
    #[error("in progress")]
    InProgress {
        /// The order.
        order: OrderId,
    },
    /// The key belongs to a request with another fingerprint.
    #[error("key reused")]
    KeyReused {
        /// The order of that request.
        order: OrderId,
    },
    /// The order was given up after it had been PENDING for long; a retry needs a new key.
    #[error("voided")]
    Voided {
        /// The order.
        order: OrderId,
    },
}

pub(super) type PlaceResult = Result<Placed, PlaceError>;

/// The result for a request whose order has this status. `replayed`: an earlier request with the key placed
/// the order.
pub(super) fn outcome_of(order: Order, replayed: bool) -> PlaceResult {
    let id = order.id;
    match order.status {
        Status::Paid => Ok(Placed { order, replayed }),
        Status::Declined => {
            Err(PlaceError::Declined { order: id, decline: order.decline.unwrap_or_default(), replayed })
        }
        Status::NotCharged => Err(PlaceError::NotCharged { order: id }),
        Status::Voided => Err(PlaceError::Voided { order: id }),
        Status::Pending if replayed => Err(PlaceError::InProgress { order: id }),
        Status::Pending | Status::Unspecified => Err(PlaceError::OutcomeUnknown { order: id }),
    }
}

/// The error for an order that could not be saved. `in_doubt`: the id of an INSERT that may have been
/// committed.
pub(super) fn not_saved(in_doubt: Option<OrderId>) -> PlaceError {
    match in_doubt {
        Some(order) => PlaceError::OutcomeUnknown { order },
        None => PlaceError::NotStarted("the store could not be reached"),
    }
}

/// The outcome to count for a result.
pub(super) fn placement_outcome(result: &PlaceResult) -> PlacementOutcome {
    match result {
        Ok(Placed { replayed: true, .. })
        | Err(
            PlaceError::Declined { replayed: true, .. }
            | PlaceError::InProgress { .. }
            | PlaceError::KeyReused { .. }
            | PlaceError::Voided { .. },
        ) => PlacementOutcome::Repeated,
        Ok(_) => PlacementOutcome::Paid,
        Err(PlaceError::Declined { .. }) => PlacementOutcome::Declined,
        Err(PlaceError::NotCharged { .. }) => PlacementOutcome::NotCharged,
        Err(PlaceError::OutcomeUnknown { .. }) => PlacementOutcome::Unknown,
        Err(PlaceError::NotStarted(_) | PlaceError::NotStored) => PlacementOutcome::NotStarted,
        Err(PlaceError::Pricing(_)) => PlacementOutcome::Refused,
    }
}
