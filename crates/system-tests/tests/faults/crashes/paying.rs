//! Payment, before it records a charge, at its COMMIT, and after it, before it answers.

use super::{Case, Told};
use crate::books::Whose;

pub(super) const CASES: &[Case] = &[
    Case::payment("ledger.charge.before=kill@1", Told::Unknown).dies(Whose::Payment),
    Case::payment("ledger.charge.before=refuse@1", Told::NotCharged).not_charged(),
    Case::payment("ledger.charge.before=error@1", Told::Unknown),
    Case::payment("ledger.charge.before=delay:3000@1", Told::Unknown),
    Case::payment("commit.before=kill@1", Told::Unknown).dies(Whose::Payment),
    Case::payment("commit.before=error@1", Told::Unknown),
    Case::payment("commit.before=delay:2500@1", Told::Unknown),
    Case::payment("commit.after=kill@1", Told::Unknown).dies(Whose::Payment),
    // Read again, and found.
    Case::payment("commit.after=error@1", Told::Paid),
    Case::payment("commit.after=delay:2500@1", Told::Unknown),
    Case::payment("ledger.charge.after=kill@1", Told::Unknown).dies(Whose::Payment),
    Case::payment("ledger.charge.after=error@1", Told::Unknown),
    Case::payment("ledger.charge.after=delay:3000@1", Told::Unknown),
];
