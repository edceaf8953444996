//! From the Order contract to JSON: one order, or a page of them.
//!
//! What a backend answers is read as strictly as what a client sends: an answer that makes no sense is
//! refused here rather than passed on. A server of the old contract answers less, and that little is enough.

use std::borrow::Cow;

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

/// An order as JSON has it. Amounts are numbers with all of the currency's decimals.
#[derive(Debug, Serialize)]
pub(super) struct Order<'a> {
    pub(super) order_id: i64,
    user_id: i64,
    /// Not told by a server of the old contract.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    currency: &'static str,
    #[serde(serialize_with = "as_number")]
    total_price: Money,
    order_items: Vec<Item<'a>>,
    /// Not told by a server of the old contract.
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decline_reason: Option<&'a str>,
}

impl Order<'_> {
    /// Whether it stays as it is: Payment's answer for an order never changes.
    pub(super) fn is_final(&self) -> bool {
        matches!(self.status, Some("PAID" | "DECLINED" | "VOIDED"))
    }
}

#[derive(Debug, Serialize)]
struct Item<'a> {
    product_code: Cow<'a, str>,
    #[serde(serialize_with = "as_number")]
    unit_price: Money,
    quantity: i32,
}

/// A page of orders, newest first.
#[derive(Debug, Serialize)]
pub(super) struct Page<'a> {
    orders: Vec<Order<'a>>,
    /// Empty on the last page.
    next_page_token: &'a str,
}

/// What about a backend's answer makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer makes no sense: {0}")]
pub(super) struct InvalidUpstreamResponse(&'static str);

impl From<InvalidUpstreamResponse> for Status {
    /// A status that did not come from the backend, which [`grpc_client::Failure::of`] tells from one that did.
    fn from(nonsense: InvalidUpstreamResponse) -> Self {
        Self::internal(nonsense.to_string())
    }
}

/// The order that `asked` became.
pub(super) fn created<'a>(
    asked: &'a NewOrder<'_>,
    answer: &CreateOrderResponse,
) -> Result<Order<'a>, InvalidUpstreamResponse> {
    let old = is_old(answer.status, answer.total.as_ref(), answer.create_time.as_ref());
    let total = match &answer.total {
        Some(total) => read_total(total)?,
        None if old => asked.total.ok_or(InvalidUpstreamResponse("no total"))?,
        None => return Err(InvalidUpstreamResponse("no total")),
    };
    if total.currency() != asked.currency {
        return Err(InvalidUpstreamResponse("another currency than was asked for"));
    }
    let items = asked.items.iter().enumerate().map(|(index, item)| {
        let unit_price = match item.price {
            Some(price) => price,
            None => read_listed(item, total.currency(), answer.order_items.get(index))?,
        };
        Ok(Item { product_code: Cow::Borrowed(&item.product_code), unit_price, quantity: item.quantity })
    });
    Ok(Order {
        order_id: read_order_id(answer.order_id)?,
        user_id: asked.user_id,
        status: (!old).then(|| read_paid(answer.status)).transpose()?,
        currency: asked.currency.code(),
        total_price: total,
        order_items: items.collect::<Result<_, _>>()?,
        created_at: (!old).then(|| read_time(answer.create_time.as_ref())).transpose()?,
        decline_reason: None,
    })
}

/// The order with the id `asked`.
pub(super) fn stored(asked: i64, answer: &GetOrderResponse) -> Result<Order<'_>, InvalidUpstreamResponse> {
    // A server of the old contract repeats no id.
    if answer.order_id != 0 && answer.order_id != asked {
        return Err(InvalidUpstreamResponse("another order than was asked for"));
    }
    Ok(Order { order_id: asked, ..read_order(answer)? })
}

/// A page; only servers of the present contract have them.
pub(super) fn page(answer: &ListOrdersResponse) -> Result<Page<'_>, InvalidUpstreamResponse> {
    let order = |answer| {
        let order = read_order(answer)?;
        read_order_id(order.order_id).map(|_| order)
    };
    let orders = answer.orders.iter().map(order).collect::<Result<_, _>>()?;
    Ok(Page { orders, next_page_token: &answer.next_page_token })
}

fn read_order(answer: &GetOrderResponse) -> Result<Order<'_>, InvalidUpstreamResponse> {
    let old = is_old(answer.status, answer.total.as_ref(), answer.create_time.as_ref());
    let told = answer.total.as_ref().map(read_total).transpose()?;
    let currency = told.map_or(Currency::USD, Money::currency);
    let order_items: Vec<Item<'_>> =
        answer.order_items.iter().map(|item| read_item(currency, item)).collect::<Result<_, _>>()?;
    let summed = || sum(currency, order_items.iter().map(|item| (item.unit_price, item.quantity)));
    let total_price = told.or_else(|| summed().filter(|_| old)).ok_or(InvalidUpstreamResponse("no total"))?;
    let reason = answer.decline_reason.as_str();
    Ok(Order {
        order_id: answer.order_id,
        user_id: Some(answer.user_id)
            .filter(|id| limits::USER_ID.contains(id))
            .ok_or(InvalidUpstreamResponse("user_id"))?,
        status: (!old).then(|| read_status(answer.status)).transpose()?,
        currency: currency.code(),
        total_price,
        order_items,
        created_at: (!old).then(|| read_time(answer.create_time.as_ref())).transpose()?,
        decline_reason: (!reason.is_empty()).then_some(reason),
    })
}

/// Whether an answer is of the old contract, which has no field from 16 on.
fn is_old(status: i32, total: Option<&google_type::Money>, time: Option<&Timestamp>) -> bool {
    status == OrderStatus::Unspecified as i32 && total.is_none() && time.is_none()
}

fn read_order_id(id: i64) -> Result<i64, InvalidUpstreamResponse> {
    Some(id).filter(|id| limits::ORDER_ID.contains(id)).ok_or(InvalidUpstreamResponse("order_id"))
}

/// Create succeeds for an order that was charged, and for no other.
fn read_paid(number: i32) -> Result<&'static str, InvalidUpstreamResponse> {
    read_status(number).and_then(|status| {
        if status == "PAID" { Ok(status) } else { Err(InvalidUpstreamResponse("a success that is not PAID")) }
    })
}

fn read_status(number: i32) -> Result<&'static str, InvalidUpstreamResponse> {
    match OrderStatus::try_from(number) {
        Ok(OrderStatus::Pending) => Ok("PENDING"),
        Ok(OrderStatus::Paid) => Ok("PAID"),
        Ok(OrderStatus::Declined) => Ok("DECLINED"),
        Ok(OrderStatus::NotCharged) => Ok("NOT_CHARGED"),
        Ok(OrderStatus::Voided) => Ok("VOIDED"),
        Ok(OrderStatus::Unspecified) | Err(_) => Err(InvalidUpstreamResponse("status")),
    }
}

fn read_total(total: &google_type::Money) -> Result<Money, InvalidUpstreamResponse> {
    let currency = Currency::from_code(&total.currency_code)
        .map_err(|_| InvalidUpstreamResponse("the total's currency"))?;
    Money::from_units_nanos(currency, total.units, total.nanos).map_err(|_| InvalidUpstreamResponse("total"))
}

fn read_item(
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
    Ok(Item {
        product_code: Cow::Borrowed(&item.product_code),
        unit_price: unit_price.map_err(|_| InvalidUpstreamResponse("an item's price"))?,
        quantity,
    })
}

/// The price that an item was charged which left it to the price list.
fn read_listed(
    asked: &NewItem<'_>,
    currency: Currency,
    answer: Option<&proto::order::OrderItem>,
) -> Result<Money, InvalidUpstreamResponse> {
    let charged = read_item(currency, answer.ok_or(InvalidUpstreamResponse("no price of an item"))?)?;
    let is_it = charged.product_code == asked.product_code && charged.quantity == asked.quantity;
    if is_it {
        Ok(charged.unit_price)
    } else {
        Err(InvalidUpstreamResponse("another item than was asked for"))
    }
}

/// RFC 3339 in UTC with milliseconds. What is finer is cut off.
fn read_time(time: Option<&Timestamp>) -> Result<String, InvalidUpstreamResponse> {
    const EPOCH_TO_9999: std::ops::RangeInclusive<i64> = 0..=253_402_300_799;
    const NANOS: std::ops::RangeInclusive<i32> = 0..=999_999_999;
    let in_range = |time: &&Timestamp| EPOCH_TO_9999.contains(&time.seconds) && NANOS.contains(&time.nanos);
    let time = time.filter(in_range).ok_or(InvalidUpstreamResponse("create_time"))?;
    let seconds = Timestamp { nanos: 0, ..*time }.to_string();
    Ok(format!("{}.{:03}Z", seconds.trim_end_matches('Z'), time.nanos / 1_000_000))
}

/// The amount's own digits as a JSON number; no float comes between.
fn as_number<S: Serializer>(amount: &Money, serializer: S) -> Result<S::Ok, S::Error> {
    RawValue::from_string(amount.to_string()).map_err(serde::ser::Error::custom)?.serialize(serializer)
}

#[cfg(test)]
mod tests;
