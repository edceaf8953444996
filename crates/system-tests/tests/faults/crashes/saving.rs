//! Before the order is saved, at the COMMIT, and after it.

use super::{Case, Told};
use crate::books::Whose;

pub(super) const CASES: &[Case] = &[
    Case::order("orders.insert.before=kill@1", Told::UnknownUnnamed).dies(Whose::Order).absent(),
    Case::order("orders.insert.before=refuse@1", Told::NotStarted).absent(),
    // Read again and not found: saved under another id.
    Case::order("orders.insert.before=error@1", Told::Paid),
    Case::order("orders.insert.before=delay:3000@1", Told::NotStarted).absent(),
    Case::order("commit.before=kill@1", Told::UnknownUnnamed).dies(Whose::Order).absent(),
    Case::order("commit.before=error@1", Told::Paid),
    Case::order("commit.before=delay:2500@1", Told::Unknown),
    Case::order("commit.after=kill@1", Told::UnknownUnnamed).dies(Whose::Order),
    Case::order("commit.after=error@1", Told::Paid),
    Case::order("commit.after=delay:2500@1", Told::Unknown),
    Case::order("orders.insert.after=kill@1", Told::UnknownUnnamed).dies(Whose::Order),
    Case::order("orders.insert.after=error@1", Told::Paid),
    Case::order("orders.insert.after=delay:3000@1", Told::Unknown),
    // Saved, and the reading again fails as well.
    Case::order("orders.insert.after=error@1,orders.find_by_key.before=error@1", Told::Unknown),
];
