//! Failures between the insert and the settlement: before the charge is sent, in the call, and after the
//! reply.

use super::{Case, Expected};
use crate::db_snapshot::ServiceName;

pub(super) const CASES: &[Case] = &[
    Case::order("payments.charge.before=kill@1", Expected::UnknownWithoutId).kills(ServiceName::Order),
    Case::order("payments.charge.before=refuse@1", Expected::NotCharged).not_charged(),
    Case::order("payments.charge.before=error@1", Expected::Unknown),
    Case::order("payments.charge.before=delay:3000@1", Expected::Unknown),
    Case::order("payments.charge.before=twice:300@1", Expected::Paid),
    // The copy arrives after the charge of the reconciler.
    Case::order("payments.charge.before=twice:4000@1,payments.charge.after=error@1", Expected::Unknown),
    Case::order("payments.charge.after=kill@1", Expected::UnknownWithoutId).kills(ServiceName::Order),
    Case::order("payments.charge.after=error@1", Expected::Unknown),
    Case::order("payments.charge.after=delay:3000@1", Expected::Unknown),
];
