//! Translates responses of the Order contract to JSON: one order, or a page of orders.
//!
//! An invalid response of the backend is rejected, not passed on. A server of the old contract omits all
//! fields from 16 on, which is valid.

use money::{Currency, Money, Rounding};
use prost_types::Timestamp;
use proto::{
    google_type,
    order::{CreateOrderResponse, GetOrderResponse, ListOrdersResponse, OrderStatus},
};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use tonic::Status;

use super::request::{NewItem, NewOrder, sum};
use crate::limits;

/// An order in JSON. Amounts have all decimals of the currency, each as a number and as a text: a client that
/// parses numbers as binary floats has the exact decimal in the text.
#[derive(Debug, Serialize)]
pub(super) struct Order<'a> {
    pub(super) order_id: i64,
    user_id: i64,
    /// Absent from a server of the old contract, or if this program does not know the status.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    /// Absent if the Order service does not know the currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<&'a str>,
    /// Absent if the Order service or this program does not know the currency; then there are no items.
    #[serde(serialize_with = "as_optional_number", skip_serializing_if = "Option::is_none")]
    total_price: Option<Money>,
    /// The amount of `total_price`.
    #[serde(serialize_with = "as_optional_text", skip_serializing_if = "Option::is_none")]
    total_price_text: Option<Money>,
    order_items: Vec<Item<'a>>,
    /// Absent from a server of the old contract.
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decline_reason: Option<&'a str>,
}

impl Order<'_> {
    /// Whether the order no longer changes: Payment's answer for an order id never changes.
    pub(super) fn is_final(&self) -> bool {
        matches!(self.status, Some("PAID" | "DECLINED" | "VOIDED"))
    }
}

#[derive(Debug, Serialize)]
struct Item<'a> {
    product_code: &'a str,
    #[serde(serialize_with = "as_number")]
    unit_price: Money,
    /// The amount of `unit_price`.
    #[serde(serialize_with = "as_text")]
    unit_price_text: Money,
    quantity: i32,
}

impl<'a> Item<'a> {
    fn new(product_code: &'a str, unit_price: Money, quantity: i32) -> Self {
        Self { product_code, unit_price, unit_price_text: unit_price, quantity }
    }
}

/// A page of orders, newest first.
#[derive(Debug, Serialize)]
pub(super) struct Page<'a> {
    orders: Vec<Order<'a>>,
    /// Empty on the last page.
    next_page_token: &'a str,
}

/// Which part of a backend's response is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid response of the Order service: {0}")]
pub(super) struct InvalidUpstreamResponse(&'static str);

impl From<InvalidUpstreamResponse> for Status {
    /// A status of this process, which [`grpc_client::Failure::of`] distinguishes from one of the backend.
    fn from(invalid: InvalidUpstreamResponse) -> Self {
        Self::internal(invalid.to_string())
    }
}

/// The order that `request` created.
pub(super) fn created<'a>(
    request: &'a NewOrder<'_>,
    response: &CreateOrderResponse,
) -> Result<Order<'a>, InvalidUpstreamResponse> {
    let old = is_old(response.status, response.total.as_ref(), response.create_time.as_ref());
    let total = match &response.total {
        Some(total) => parse_total(total)?,
        None if old => request.total.ok_or(InvalidUpstreamResponse("no total"))?,
        None => return Err(InvalidUpstreamResponse("no total")),
    };
    if total.currency() != request.currency {
        return Err(InvalidUpstreamResponse("another currency than requested"));
    }
    let items = request.items.iter().enumerate().map(|(index, item)| {
        let unit_price = match item.price {
            Some(price) => price,
            None => listed_price(item, total.currency(), response.order_items.get(index))?,
        };
        Ok(Item::new(&item.product_code, unit_price, item.quantity))
    });
    Ok(Order {
        order_id: parse_order_id(response.order_id)?,
        user_id: request.user_id,
        status: (!old).then(|| parse_paid(response.status)).transpose()?,
        currency: Some(request.currency.code()),
        total_price: Some(total),
        total_price_text: Some(total),
        order_items: items.collect::<Result<_, _>>()?,
        created_at: (!old).then(|| parse_time(response.create_time.as_ref())).transpose()?,
        decline_reason: None,
    })
}

/// The order with the requested id.
pub(super) fn stored(
    order_id: i64,
    response: &GetOrderResponse,
) -> Result<Order<'_>, InvalidUpstreamResponse> {
    // A server of the old contract sends no id.
    if response.order_id != 0 && response.order_id != order_id {
        return Err(InvalidUpstreamResponse("another order than requested"));
    }
    Ok(Order { order_id, ..parse_order(response)? })
}

/// A page. Servers of the old contract have none.
pub(super) fn page(response: &ListOrdersResponse) -> Result<Page<'_>, InvalidUpstreamResponse> {
    let order = |response| {
        let order = parse_order(response)?;
        parse_order_id(order.order_id).map(|_| order)
    };
    let orders = response.orders.iter().map(order).collect::<Result<_, _>>()?;
    Ok(Page { orders, next_page_token: &response.next_page_token })
}

fn parse_order(response: &GetOrderResponse) -> Result<Order<'_>, InvalidUpstreamResponse> {
    let old = is_old(response.status, response.total.as_ref(), response.create_time.as_ref());
    let (currency, total_price, order_items) = match &response.total {
        Some(total) => match Currency::from_stored(&total.currency_code) {
            Ok(currency) => {
                let items = parse_items(currency, response)?;
                (Some(currency.code()), Some(parse_total(total)?), items)
            }
            // A newer program has placed the order. The number of decimals is not known.
            Err(_) => (Some(total.currency_code.as_str()), None, Vec::new()),
        },
        None if old => {
            let items = parse_items(Currency::USD, response)?;
            let total = sum(Currency::USD, items.iter().map(|item| (item.unit_price, item.quantity)));
            (Some(Currency::USD.code()), Some(total.ok_or(InvalidUpstreamResponse("no total"))?), items)
        }
        None if response.order_items.is_empty() => (None, None, Vec::new()),
        None => return Err(InvalidUpstreamResponse("no total")),
    };
    let reason = response.decline_reason.as_str();
    Ok(Order {
        order_id: response.order_id,
        user_id: Some(response.user_id)
            // Not limits::USER_ID: a client of gRPC may have placed it for a user with a larger id.
            .filter(|id| *id > 0)
            .ok_or(InvalidUpstreamResponse("user_id"))?,
        status: parse_status(response.status),
        currency,
        total_price,
        total_price_text: total_price,
        order_items,
        created_at: (!old).then(|| parse_time(response.create_time.as_ref())).transpose()?,
        decline_reason: (!reason.is_empty()).then_some(reason),
    })
}

/// Whether a response is of the old contract, which has no field from 16 on.
fn is_old(status: i32, total: Option<&google_type::Money>, time: Option<&Timestamp>) -> bool {
    status == OrderStatus::Unspecified as i32 && total.is_none() && time.is_none()
}

fn parse_order_id(id: i64) -> Result<i64, InvalidUpstreamResponse> {
    Some(id).filter(|id| limits::ORDER_ID.contains(id)).ok_or(InvalidUpstreamResponse("order_id"))
}

/// Create succeeds only for a charged order.
fn parse_paid(number: i32) -> Result<&'static str, InvalidUpstreamResponse> {
    let status = parse_status(number).filter(|status| *status == "PAID");
    status.ok_or(InvalidUpstreamResponse("a success that is not PAID"))
}

/// `None` for a status that the Order service or this program does not know.
fn parse_status(number: i32) -> Option<&'static str> {
    match OrderStatus::try_from(number) {
        Ok(OrderStatus::Pending) => Some("PENDING"),
        Ok(OrderStatus::Paid) => Some("PAID"),
        Ok(OrderStatus::Declined) => Some("DECLINED"),
        Ok(OrderStatus::NotCharged) => Some("NOT_CHARGED"),
        Ok(OrderStatus::Voided) => Some("VOIDED"),
        Ok(OrderStatus::Unspecified) | Err(_) => None,
    }
}

fn parse_total(total: &google_type::Money) -> Result<Money, InvalidUpstreamResponse> {
    let currency = Currency::from_stored(&total.currency_code)
        .map_err(|_| InvalidUpstreamResponse("the total's currency"))?;
    Money::from_units_nanos(currency, total.units, total.nanos).map_err(|_| InvalidUpstreamResponse("total"))
}

fn parse_items(
    currency: Currency,
    response: &GetOrderResponse,
) -> Result<Vec<Item<'_>>, InvalidUpstreamResponse> {
    response.order_items.iter().map(|item| parse_item(currency, item)).collect()
}

fn parse_item(
    currency: Currency,
    item: &proto::order::OrderItem,
) -> Result<Item<'_>, InvalidUpstreamResponse> {
    let unit_price = match &item.price {
        Some(price) if price.currency_code == currency.code() => {
            Money::from_units_nanos(currency, price.units, price.nanos)
        }
        Some(_) => return Err(InvalidUpstreamResponse("an item's currency")),
        None => Money::from_float(currency, item.unit_price, Rounding::Exact),
    };
    let quantity = Some(item.quantity)
        .filter(|quantity| *quantity > 0)
        .ok_or(InvalidUpstreamResponse("an item's quantity"))?;
    let unit_price = unit_price.map_err(|_| InvalidUpstreamResponse("an item's price"))?;
    Ok(Item::new(&item.product_code, unit_price, quantity))
}

/// The charged price of an item without a price in the request.
fn listed_price(
    requested: &NewItem<'_>,
    currency: Currency,
    response: Option<&proto::order::OrderItem>,
) -> Result<Money, InvalidUpstreamResponse> {
    let charged = parse_item(currency, response.ok_or(InvalidUpstreamResponse("no price of an item"))?)?;
    let same = charged.product_code == requested.product_code && charged.quantity == requested.quantity;
    if same { Ok(charged.unit_price) } else { Err(InvalidUpstreamResponse("another item than requested")) }
}

/// RFC 3339 in UTC, truncated to milliseconds.
fn parse_time(time: Option<&Timestamp>) -> Result<String, InvalidUpstreamResponse> {
    const EPOCH_TO_9999: std::ops::RangeInclusive<i64> = 0..=253_402_300_799;
    const NANOS: std::ops::RangeInclusive<i32> = 0..=999_999_999;
    let in_range = |time: &&Timestamp| EPOCH_TO_9999.contains(&time.seconds) && NANOS.contains(&time.nanos);
    let time = time.filter(in_range).ok_or(InvalidUpstreamResponse("create_time"))?;
    let seconds = Timestamp { nanos: 0, ..*time }.to_string();
    Ok(format!("{}.{:03}Z", seconds.trim_end_matches('Z'), time.nanos / 1_000_000))
}

/// Writes the digits of the amount as a JSON number, without a float in between.
fn as_number<S: Serializer>(amount: &Money, serializer: S) -> Result<S::Ok, S::Error> {
    RawValue::from_string(amount.to_string()).map_err(serde::ser::Error::custom)?.serialize(serializer)
}

fn as_optional_number<S: Serializer>(amount: &Option<Money>, serializer: S) -> Result<S::Ok, S::Error> {
    match amount {
        Some(amount) => as_number(amount, serializer),
        None => serializer.serialize_none(),
    }
}

/// Writes the digits of the amount as a JSON string.
fn as_text<S: Serializer>(amount: &Money, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(amount)
}

fn as_optional_text<S: Serializer>(amount: &Option<Money>, serializer: S) -> Result<S::Ok, S::Error> {
    match amount {
        Some(amount) => as_text(amount, serializer),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests;
