//! Between saving and settling: the charge is not sent, is sent and lost, or its reply is in Order's hand.

use super::{Case, Told};
use crate::books::Whose;

pub(super) const CASES: &[Case] = &[
    Case::order("payments.charge.before=kill@1", Told::UnknownUnnamed).dies(Whose::Order),
    Case::order("payments.charge.before=refuse@1", Told::NotCharged).not_charged(),
    Case::order("payments.charge.before=error@1", Told::Unknown),
    Case::order("payments.charge.before=delay:3000@1", Told::Unknown),
    Case::order("payments.charge.before=twice:300@1", Told::Paid),
    // Its copy arrives after a reconciler's charge.
    Case::order("payments.charge.before=twice:4000@1,payments.charge.after=error@1", Told::Unknown),
    Case::order("payments.charge.after=kill@1", Told::UnknownUnnamed).dies(Whose::Order),
    Case::order("payments.charge.after=error@1", Told::Unknown),
    Case::order("payments.charge.after=delay:3000@1", Told::Unknown),
];
