//! The body of `POST /orders`: from bytes to a valid order, or to every fault in them.

use std::{borrow::Cow, ops::RangeInclusive};

use money::{AmountError, Currency, Money, UnknownCurrency};
use proto::{google_type, order::CreateOrderRequest};

use super::field_errors::{FieldErrors, JsonPath, Member};
use crate::{
    json::{self, Members, Value},
    limits,
    pricing::UnitPrice,
    problem::{BodyShape, Violation},
};

const USER_ID: Member =
    Member { name: "user_id", field: "user_id", accepted: || accepted_number(&limits::USER_ID) };
const ORDER_ITEMS: Member = Member { name: "order_items", field: "order_items", accepted: accepted_items };
const CURRENCY: Member =
    Member { name: "currency", field: "currency_code", accepted: || UnknownCurrency.to_string() };
const PRODUCT_CODE: Member =
    Member { name: "product_code", field: "product_code", accepted: accepted_product_code };
const UNIT_PRICE: Member = Member { name: "unit_price", field: "unit_price", accepted: accepted_price };
const QUANTITY: Member =
    Member { name: "quantity", field: "quantity", accepted: || accepted_number(&limits::QUANTITY) };

/// An order that may be placed, as far as can be told without asking.
#[derive(Debug)]
pub(super) struct NewOrder<'a> {
    pub(super) user_id: i64,
    pub(super) currency: Currency,
    /// Whether the body named the currency.
    pub(super) currency_named: bool,
    pub(super) items: Vec<NewItem<'a>>,
    /// Above 0; `None` where the price of an item is left to the price list.
    pub(super) total: Option<Money>,
}

/// One item of it.
#[derive(Debug)]
pub(super) struct NewItem<'a> {
    pub(super) product_code: Cow<'a, str>,
    /// Of one piece; `None` where it is left to the price list.
    pub(super) price: Option<Money>,
    pub(super) quantity: i32,
}

/// Reads a body.
///
/// # Errors
///
/// Every offending member; where the body is no JSON object, that.
pub(super) fn read(body: &[u8], unit_price: UnitPrice) -> Result<NewOrder<'_>, Vec<Violation>> {
    let mut faults = FieldErrors::default();
    let order = match json::document(body) {
        Ok(members) => read_order(members, unit_price, &mut faults),
        Err(malformed) => {
            faults.body(malformed.to_string());
            None
        }
    };
    order.filter(|_| faults.is_empty()).ok_or_else(|| faults.into_violations())
}

impl NewOrder<'_> {
    /// What of the body problems need, to point into it.
    pub(super) fn shape(&self) -> BodyShape {
        let unpriced = self.items.iter().enumerate().filter(|(_, item)| item.price.is_none());
        BodyShape {
            currency: self.currency_named,
            items: self.items.len(),
            unpriced: unpriced.map(|(index, _)| index).collect(),
        }
    }

    /// The same in the Order contract: exact prices, and beside them the floats that a server of the old
    /// contract reads.
    pub(super) fn to_proto(&self, idempotency_key: String) -> CreateOrderRequest {
        CreateOrderRequest {
            user_id: self.user_id,
            order_items: self.items.iter().map(NewItem::to_proto).collect(),
            currency_code: self.currency.code().to_owned(),
            idempotency_key,
        }
    }
}

impl NewItem<'_> {
    fn to_proto(&self) -> proto::order::OrderItem {
        let exact = |price: Money| {
            let (units, nanos) = price.to_units_nanos();
            google_type::Money { currency_code: price.currency().code().to_owned(), units, nanos }
        };
        proto::order::OrderItem {
            product_code: self.product_code.clone().into_owned(),
            // A server that knows no price lists would read 0 as a price; what is no number it refuses.
            unit_price: self.price.map_or(f32::NAN, Money::to_float),
            quantity: self.quantity,
            price: self.price.map(exact),
            price_from_list: self.price.is_none(),
        }
    }
}

fn read_order<'a>(
    members: Members<'a>,
    unit_price: UnitPrice,
    faults: &mut FieldErrors,
) -> Option<NewOrder<'a>> {
    let [user_id, items, currency_value] =
        faults.take_members(JsonPath::Order, [&USER_ID, &ORDER_ITEMS, &CURRENCY], members);
    let user_id =
        faults.required(JsonPath::Order, &USER_ID, user_id, |value| read_number(value, &limits::USER_ID));
    let currency = match currency_value {
        Some(value) => faults.required(JsonPath::Order, &CURRENCY, Some(value), read_currency),
        None => Some(Currency::USD),
    };
    let elements = faults.required(JsonPath::Order, &ORDER_ITEMS, items, |value| {
        value.elements().ok_or_else(accepted_items)
    })?;
    let count_fits = limits::ITEMS.contains(&elements.len());
    if !count_fits {
        faults.member(JsonPath::Order, &ORDER_ITEMS, accepted_items());
    }
    // Of too many items the first ones are looked at all the same, so that one answer names their faults too.
    let read: Vec<Option<NewItem<'a>>> = elements
        .into_iter()
        .take(*limits::ITEMS.end())
        .enumerate()
        .map(|(index, element)| read_item(index, element, currency, unit_price, faults))
        .collect();
    let items: Vec<NewItem<'a>> = read.into_iter().collect::<Option<_>>()?;
    let currency = currency.filter(|_| count_fits)?;
    let named = items.iter().filter_map(|item| Some((item.price?, item.quantity)));
    let total = sum(currency, named);
    let is_whole = items.iter().all(|item| item.price.is_some());
    let Some(total) = total.filter(|total| !is_whole || !total.is_zero()) else {
        faults.member(JsonPath::Order, &ORDER_ITEMS, accepted_total());
        return None;
    };
    let total = is_whole.then_some(total);
    Some(NewOrder { user_id: user_id?, currency, currency_named: currency_value.is_some(), items, total })
}

fn read_item<'a>(
    index: usize,
    element: Value<'a>,
    currency: Option<Currency>,
    unit_price: UnitPrice,
    faults: &mut FieldErrors,
) -> Option<NewItem<'a>> {
    let Some(members) = element.members() else {
        faults.item(index, "must be an object with product_code, unit_price and quantity");
        return None;
    };
    let place = JsonPath::Item(index);
    let [code, price, quantity] =
        faults.take_members(place, [&PRODUCT_CODE, &UNIT_PRICE, &QUANTITY], members);
    let product_code = faults.required(place, &PRODUCT_CODE, code, read_product_code);
    let price = match price {
        None if unit_price == UnitPrice::Optional => Some(None),
        price => faults.required(place, &UNIT_PRICE, price, |value| read_price(value, currency)).map(Some),
    };
    let quantity = faults.required(place, &QUANTITY, quantity, |value| read_number(value, &limits::QUANTITY));
    let quantity = i32::try_from(quantity?).ok();
    Some(NewItem { product_code: product_code?, price: price?, quantity: quantity? })
}

/// What so many pieces at such prices cost; `None` where that is more than any amount.
pub(super) fn sum(currency: Currency, mut pieces: impl Iterator<Item = (Money, i32)>) -> Option<Money> {
    pieces.try_fold(Money::zero(currency), |total, (price, quantity)| {
        let quantity = u32::try_from(quantity).ok()?;
        total.checked_add(price.checked_mul(quantity).ok()?).ok()
    })
}

fn read_number(value: Value<'_>, range: &RangeInclusive<i64>) -> Result<i64, String> {
    value.number().and_then(|text| whole_number(text, range)).ok_or_else(|| accepted_number(range))
}

/// The whole number that `text` gives in its one plain form: digits alone, no zero before them.
pub(super) fn whole_number(text: &str, range: &RangeInclusive<i64>) -> Option<i64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text.len() == 1 || !text.starts_with('0'));
    text.parse().ok().filter(|number| plain && range.contains(number))
}

fn read_currency(value: Value<'_>) -> Result<Currency, String> {
    let code = value.string().ok_or(UnknownCurrency);
    code.and_then(|code| Currency::from_code(&code)).map_err(|error| error.to_string())
}

fn read_product_code(value: Value<'_>) -> Result<Cow<'_, str>, String> {
    let fits = |code: &Cow<'_, str>| {
        limits::PRODUCT_CODE_CHARS.contains(&code.chars().count()) && !code.chars().any(char::is_control)
    };
    value.string().filter(fits).ok_or_else(accepted_product_code)
}

/// A price in `currency`. Where that is not known, for it is itself at fault, the price is looked at as far
/// as it can be, and the amount returned means nothing.
fn read_price(value: Value<'_>, currency: Option<Currency>) -> Result<Money, String> {
    let text = value.number().map(Cow::Borrowed).or_else(|| value.string()).ok_or_else(accepted_price)?;
    let read = match (Money::parse(currency.unwrap_or(Currency::USD), &text), currency) {
        (Err(AmountError::TooPrecise { .. } | AmountError::TooLarge), None) => Ok(Money::zero(Currency::USD)),
        (read, _) => read,
    };
    read.map_err(|error| error.to_string())
}

pub(super) fn accepted_number(range: &RangeInclusive<i64>) -> String {
    let (start, end) = (range.start(), range.end());
    format!("must be a whole number from {start} to {end}, written without fraction or exponent")
}

fn accepted_items() -> String {
    format!("must be an array of {} to {} items", limits::ITEMS.start(), limits::ITEMS.end())
}

fn accepted_product_code() -> String {
    let (start, end) = (limits::PRODUCT_CODE_CHARS.start(), limits::PRODUCT_CODE_CHARS.end());
    format!("must be a string of {start} to {end} characters, none of them a control character")
}

fn accepted_price() -> String {
    "must be a decimal number of 0 or more, as a JSON number or as a string".to_owned()
}

fn accepted_total() -> String {
    "must have a total (unit_price times quantity, summed) above 0 and below 2^53 minor units".to_owned()
}

#[cfg(test)]
mod tests;
