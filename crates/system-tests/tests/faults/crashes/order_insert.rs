//! Failures before the INSERT of the order, at its COMMIT, and after it.

use super::{Case, Expected};
use crate::db_snapshot::ServiceName;

pub(super) const CASES: &[Case] = &[
    Case::order("orders.insert.before=kill@1", Expected::UnknownWithoutId)
        .kills(ServiceName::Order)
        .without_row(),
    Case::order("orders.insert.before=refuse@1", Expected::NotStarted).without_row(),
    // Order reads by the key, finds nothing, and inserts again under the same id.
    Case::order("orders.insert.before=error@1", Expected::Paid),
    Case::order("orders.insert.before=delay:3000@1", Expected::NotStarted).without_row(),
    Case::order("commit.before=kill@1", Expected::UnknownWithoutId).kills(ServiceName::Order).without_row(),
    Case::order("commit.before=error@1", Expected::Paid),
    Case::order("commit.before=delay:2500@1", Expected::Unknown),
    Case::order("commit.after=kill@1", Expected::UnknownWithoutId).kills(ServiceName::Order),
    Case::order("commit.after=error@1", Expected::Paid),
    Case::order("commit.after=delay:2500@1", Expected::Unknown),
    Case::order("orders.insert.after=kill@1", Expected::UnknownWithoutId).kills(ServiceName::Order),
    Case::order("orders.insert.after=error@1", Expected::Paid),
    Case::order("orders.insert.after=delay:3000@1", Expected::Unknown),
    // The row is saved, and the read by its key fails too, once: Order tries again.
    Case::order("orders.insert.after=error@1,orders.find_by_key.before=error@1", Expected::Paid),
];
