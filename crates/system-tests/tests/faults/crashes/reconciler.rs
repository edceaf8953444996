//! Failures of the reconciler at its claim, charge and settlement of an order that the request left PENDING.

use super::{Case, Expected};
use crate::db_snapshot::ServiceName;

/// The request leaves the order PENDING; then the reconciler fails.
macro_rules! left_pending {
    ($rules:literal) => {
        Case::order(concat!("payments.charge.before=error@1,", $rules), Expected::Unknown)
    };
}

pub(super) const CASES: &[Case] = &[
    left_pending!("orders.claim.before=kill@1").kills(ServiceName::Order),
    left_pending!("orders.claim.before=refuse@1"),
    left_pending!("orders.claim.before=error@1"),
    left_pending!("orders.claim.after=kill@1").kills(ServiceName::Order),
    left_pending!("orders.claim.after=error@1"),
    left_pending!("orders.claim.after=delay:1500@1"),
    left_pending!("payments.charge.after=kill@1").kills(ServiceName::Order),
    left_pending!("payments.charge.after=error@1"),
    left_pending!("payments.charge.after=delay:1500@1"),
    left_pending!("orders.settle.before=kill@1").kills(ServiceName::Order),
    left_pending!("orders.settle.before=error@1"),
    left_pending!("orders.settle.after=kill@1").kills(ServiceName::Order),
    left_pending!("orders.settle.after=error@1"),
    left_pending!("orders.settle.after=delay:1500@1"),
];
