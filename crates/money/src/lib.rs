//! Exact amounts of money, shared by gateway, order and payment.
//!
//! [`Money`] is a whole number of a currency's minor units, from 0 to 2^53 − 1. Constructors, sums and
//! products are checked. [`Money::parse`] reads decimal text, `Display` writes it. Floats occur only in the
//! fields of the old contract ([`Money::from_float`]).

mod amount;
mod currency;
mod decimal;
mod float;

pub use amount::{AmountError, Money};
pub use currency::{Currency, UnknownCurrency};
pub use float::Rounding;
