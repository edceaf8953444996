//! Parses the body of `POST /orders` into a valid order or all its errors.

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

/// A syntactically valid order.
#[derive(Debug)]
pub(super) struct NewOrder<'a> {
    pub(super) user_id: i64,
    pub(super) currency: Currency,
    /// Whether the body has the member `currency`.
    pub(super) has_currency: bool,
    pub(super) items: Vec<NewItem<'a>>,
    /// Above 0; `None` if the price list determines the price of an item.
    pub(super) total: Option<Money>,
}

/// One item of an order.
#[derive(Debug)]
pub(super) struct NewItem<'a> {
    pub(super) product_code: Cow<'a, str>,
    /// The price of one piece; `None` if the price list determines it.
    pub(super) price: Option<Money>,
    pub(super) quantity: i32,
}

/// Parses a body.
///
/// # Errors
///
/// All invalid members, or one error if the body is not a JSON object.
pub(super) fn parse(body: &[u8], unit_price: UnitPrice) -> Result<NewOrder<'_>, Vec<Violation>> {
    let mut errors = FieldErrors::default();
    let order = match json::document(body) {
        Ok(members) => parse_order(members, unit_price, &mut errors),
        Err(malformed) => {
            errors.body(malformed.to_string());
            None
        }
    };
    order.filter(|_| errors.is_empty()).ok_or_else(|| errors.into_violations())
}

impl NewOrder<'_> {
    /// What JSON pointers into the body depend on.
    pub(super) fn shape(&self) -> BodyShape {
        let unpriced = self.items.iter().enumerate().filter(|(_, item)| item.price.is_none());
        BodyShape {
            currency: self.has_currency,
            items: self.items.len(),
            unpriced: unpriced.map(|(index, _)| index).collect(),
        }
    }

    /// The request of the Order contract: exact prices, and the floats that a server of the old contract
    /// reads.
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
            // A server without price lists would take 0 for a price; it rejects NaN.
            unit_price: self.price.map_or(f32::NAN, Money::to_float),
            quantity: self.quantity,
            price: self.price.map(exact),
            price_from_list: self.price.is_none(),
        }
    }
}

fn parse_order<'a>(
    members: Members<'a>,
    unit_price: UnitPrice,
    errors: &mut FieldErrors,
) -> Option<NewOrder<'a>> {
    let [user_id, items, currency_value] =
        errors.take_members(JsonPath::Order, [&USER_ID, &ORDER_ITEMS, &CURRENCY], members);
    let user_id =
        errors.required(JsonPath::Order, &USER_ID, user_id, |value| parse_number(value, &limits::USER_ID));
    let currency = match currency_value {
        Some(value) => errors.required(JsonPath::Order, &CURRENCY, Some(value), parse_currency),
        None => Some(Currency::USD),
    };
    let elements = errors.required(JsonPath::Order, &ORDER_ITEMS, items, |value| {
        // One more than the limit shows that there are too many.
        value.elements(limits::ITEMS.end() + 1).ok_or_else(accepted_items)
    })?;
    let count_fits = limits::ITEMS.contains(&elements.len());
    if !count_fits {
        errors.member(JsonPath::Order, &ORDER_ITEMS, accepted_items());
    }
    // Of too many items, the first ones are parsed, so that one response reports their errors too.
    let parsed: Vec<Option<NewItem<'a>>> = elements
        .into_iter()
        .take(*limits::ITEMS.end())
        .enumerate()
        .map(|(index, element)| parse_item(index, element, currency, unit_price, errors))
        .collect();
    let items: Vec<NewItem<'a>> = parsed.into_iter().collect::<Option<_>>()?;
    let currency = currency.filter(|_| count_fits)?;
    let priced = items.iter().filter_map(|item| Some((item.price?, item.quantity)));
    let total = sum(currency, priced);
    let all_priced = items.iter().all(|item| item.price.is_some());
    let Some(total) = total.filter(|total| !all_priced || !total.is_zero()) else {
        errors.member(JsonPath::Order, &ORDER_ITEMS, accepted_total());
        return None;
    };
    let total = all_priced.then_some(total);
    Some(NewOrder { user_id: user_id?, currency, has_currency: currency_value.is_some(), items, total })
}

fn parse_item<'a>(
    index: usize,
    element: Value<'a>,
    currency: Option<Currency>,
    unit_price: UnitPrice,
    errors: &mut FieldErrors,
) -> Option<NewItem<'a>> {
    let Some(members) = element.members() else {
        errors.item(index, "must be an object with product_code, unit_price and quantity");
        return None;
    };
    let path = JsonPath::Item(index);
    let [code, price, quantity] = errors.take_members(path, [&PRODUCT_CODE, &UNIT_PRICE, &QUANTITY], members);
    let product_code = errors.required(path, &PRODUCT_CODE, code, parse_product_code);
    let price = match price {
        None if unit_price == UnitPrice::Optional => Some(None),
        price => errors.required(path, &UNIT_PRICE, price, |value| parse_price(value, currency)).map(Some),
    };
    let quantity = errors.required(path, &QUANTITY, quantity, |value| parse_number(value, &limits::QUANTITY));
    let quantity = i32::try_from(quantity?).ok();
    Some(NewItem { product_code: product_code?, price: price?, quantity: quantity? })
}

/// The sum of price times quantity; `None` if it exceeds the largest amount.
pub(super) fn sum(currency: Currency, mut pieces: impl Iterator<Item = (Money, i32)>) -> Option<Money> {
    pieces.try_fold(Money::zero(currency), |total, (price, quantity)| {
        let quantity = u32::try_from(quantity).ok()?;
        total.checked_add(price.checked_mul(quantity).ok()?).ok()
    })
}

fn parse_number(value: Value<'_>, range: &RangeInclusive<i64>) -> Result<i64, String> {
    value.number().and_then(|text| whole_number(text, range)).ok_or_else(|| accepted_number(range))
}

/// Parses a whole number of digits alone, without leading zeros.
pub(super) fn whole_number(text: &str, range: &RangeInclusive<i64>) -> Option<i64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text.len() == 1 || !text.starts_with('0'));
    text.parse().ok().filter(|number| plain && range.contains(number))
}

fn parse_currency(value: Value<'_>) -> Result<Currency, String> {
    let code = value.string().ok_or(UnknownCurrency);
    code.and_then(|code| Currency::from_code(&code)).map_err(|error| error.to_string())
}

fn parse_product_code(value: Value<'_>) -> Result<Cow<'_, str>, String> {
    let fits = |code: &Cow<'_, str>| {
        limits::PRODUCT_CODE_CHARS.contains(&code.chars().count()) && !code.chars().any(char::is_control)
    };
    value.string().filter(fits).ok_or_else(accepted_product_code)
}

/// Parses a price in `currency`. `None` stands for an invalid currency: then only the errors that do not
/// depend on it are reported, and the amount is meaningless.
fn parse_price(value: Value<'_>, currency: Option<Currency>) -> Result<Money, String> {
    let text = value.number().map(Cow::Borrowed).or_else(|| value.string()).ok_or_else(accepted_price)?;
    let amount = match (Money::parse(currency.unwrap_or(Currency::USD), &text), currency) {
        (Err(AmountError::TooPrecise { .. } | AmountError::TooLarge), None) => Ok(Money::zero(Currency::USD)),
        (amount, _) => amount,
    };
    amount.map_err(|error| error.to_string())
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
