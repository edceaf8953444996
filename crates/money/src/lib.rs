//! Exact money: the one value that gateway, order and payment mean the same by.
//!
//! [`Money`] is a whole number of a currency's minor units from 0 up to 2^53 − 1, built only by checked
//! constructors; sums and products are checked too. Decimal text enters by [`Money::parse`] and leaves by
//! `Display`. The only floats are those of the old contract, in [`float`](Money::from_float).

mod amount;
mod currency;
mod decimal;
mod float;

pub use amount::{AmountError, Money};
pub use currency::{Currency, UnknownCurrency};
pub use float::Rounding;
