//! The reconciler of an order that its driver has left, whose claim, charge or settling fails.

use super::{Case, Told};
use crate::books::Whose;

/// An order that its driver leaves PENDING, and what the reconciler meets.
macro_rules! left {
    ($points:literal) => {
        Case::order(concat!("payments.charge.before=error@1,", $points), Told::Unknown)
    };
}

pub(super) const CASES: &[Case] = &[
    left!("orders.claim.before=kill@1").dies(Whose::Order),
    left!("orders.claim.before=refuse@1"),
    left!("orders.claim.before=error@1"),
    left!("orders.claim.after=kill@1").dies(Whose::Order),
    left!("orders.claim.after=error@1"),
    left!("orders.claim.after=delay:1500@1"),
    left!("payments.charge.after=kill@1").dies(Whose::Order),
    left!("payments.charge.after=error@1"),
    left!("payments.charge.after=delay:1500@1"),
    left!("orders.settle.before=kill@1").dies(Whose::Order),
    left!("orders.settle.before=error@1"),
    left!("orders.settle.after=kill@1").dies(Whose::Order),
    left!("orders.settle.after=error@1"),
    left!("orders.settle.after=delay:1500@1"),
];
