//! Failures of Payment: before it records a charge, at the COMMIT, and after it, before the reply.

use super::{Case, Expected};
use crate::db_snapshot::ServiceName;

pub(super) const CASES: &[Case] = &[
    Case::payment("ledger.charge.before=kill@1", Expected::Unknown).kills(ServiceName::Payment),
    Case::payment("ledger.charge.before=refuse@1", Expected::NotCharged).not_charged(),
    Case::payment("ledger.charge.before=error@1", Expected::Unknown),
    Case::payment("ledger.charge.before=delay:3000@1", Expected::Unknown),
    Case::payment("commit.before=kill@1", Expected::Unknown).kills(ServiceName::Payment),
    Case::payment("commit.before=error@1", Expected::Unknown),
    Case::payment("commit.before=delay:2500@1", Expected::Unknown),
    Case::payment("commit.after=kill@1", Expected::Unknown).kills(ServiceName::Payment),
    // Payment reads by the order id, and finds the charge.
    Case::payment("commit.after=error@1", Expected::Paid),
    Case::payment("commit.after=delay:2500@1", Expected::Unknown),
    Case::payment("ledger.charge.after=kill@1", Expected::Unknown).kills(ServiceName::Payment),
    Case::payment("ledger.charge.after=error@1", Expected::Unknown),
    Case::payment("ledger.charge.after=delay:3000@1", Expected::Unknown),
];
