//! Failures before the settlement, at its COMMIT, and after it, before the response.

use super::{Case, Expected};
use crate::db_snapshot::ServiceName;

pub(super) const CASES: &[Case] = &[
    Case::order("orders.settle.before=kill@1", Expected::UnknownWithoutId).kills(ServiceName::Order),
    Case::order("orders.settle.before=refuse@1", Expected::Paid),
    Case::order("orders.settle.before=error@1", Expected::Paid),
    Case::order("orders.settle.before=delay:3000@1", Expected::Unknown),
    Case::order("commit.before=kill@2", Expected::UnknownWithoutId).kills(ServiceName::Order),
    Case::order("commit.before=error@2", Expected::Paid),
    Case::order("commit.before=delay:2500@2", Expected::Unknown),
    Case::order("commit.after=kill@2", Expected::UnknownWithoutId).kills(ServiceName::Order),
    Case::order("commit.after=error@2", Expected::Paid),
    Case::order("commit.after=delay:2500@2", Expected::Unknown),
    Case::order("orders.settle.after=kill@1", Expected::UnknownWithoutId).kills(ServiceName::Order),
    Case::order("orders.settle.after=error@1", Expected::Paid),
    Case::order("orders.settle.after=delay:3000@1", Expected::Unknown),
    // A retry reopens the NOT_CHARGED order. Its outcome is unknown: done, or not done.
    Case {
        retry: Expected::Unknown,
        ..Case::order("payments.charge.before=refuse@1,orders.reopen.after=error@1", Expected::NotCharged)
            .not_charged()
    },
    Case::order("payments.charge.before=refuse@1,orders.reopen.before=error@1", Expected::NotCharged)
        .not_charged(),
];
