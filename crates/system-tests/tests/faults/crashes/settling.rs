//! Before the order is settled, at the COMMIT, and after it, before the caller is answered.

use super::{Case, Told};
use crate::books::Whose;

pub(super) const CASES: &[Case] = &[
    Case::order("orders.settle.before=kill@1", Told::UnknownUnnamed).dies(Whose::Order),
    Case::order("orders.settle.before=refuse@1", Told::Paid),
    Case::order("orders.settle.before=error@1", Told::Paid),
    Case::order("orders.settle.before=delay:3000@1", Told::Unknown),
    Case::order("commit.before=kill@2", Told::UnknownUnnamed).dies(Whose::Order),
    Case::order("commit.before=error@2", Told::Paid),
    Case::order("commit.before=delay:2500@2", Told::Unknown),
    Case::order("commit.after=kill@2", Told::UnknownUnnamed).dies(Whose::Order),
    Case::order("commit.after=error@2", Told::Paid),
    Case::order("commit.after=delay:2500@2", Told::Unknown),
    Case::order("orders.settle.after=kill@1", Told::UnknownUnnamed).dies(Whose::Order),
    Case::order("orders.settle.after=error@1", Told::Paid),
    Case::order("orders.settle.after=delay:3000@1", Told::Unknown),
    // What was recorded as NOT_CHARGED is tried again, and its reopening is not answered: done, or not done.
    Case {
        again: Told::Unknown,
        ..Case::order("payments.charge.before=refuse@1,orders.reopen.after=error@1", Told::NotCharged)
            .not_charged()
    },
    Case::order("payments.charge.before=refuse@1,orders.reopen.before=error@1", Told::NotCharged)
        .not_charged(),
];
