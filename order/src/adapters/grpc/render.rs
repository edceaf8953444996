//! Responses: from the domain to protobuf messages.

use money::Money;
use prost_types::Timestamp;
use proto::{
    google_type,
    order::{CreateOrderResponse, GetOrderResponse, ListOrdersResponse, OrderItem, OrderStatus},
};

use super::page_token::PageToken;
use crate::{
    application::Placed,
    domain::{Item, Order, Status},
    ports::Page,
};

/// The response for an order that was charged. `with_items`: the request did not contain every price.
pub(super) fn placed(placed: &Placed, with_items: bool) -> CreateOrderResponse {
    let items = placed.order.items.iter().filter(|_| with_items);
    CreateOrderResponse {
        order_items: items.map(item).collect(),
        order_id: placed.order.id.get(),
        status: wire_status(placed.order.status).into(),
        total: placed.order.total.map(money),
        create_time: Some(timestamp(placed.order.created_ms)),
        replayed: placed.replayed,
    }
}

/// An order.
pub(super) fn order(order: &Order) -> GetOrderResponse {
    GetOrderResponse {
        user_id: order.user.get(),
        order_items: order.items.iter().map(item).collect(),
        order_id: order.id.get(),
        status: wire_status(order.status).into(),
        total: order.total.map(money),
        create_time: Some(timestamp(order.created_ms)),
        decline_reason: order.decline.as_ref().map(|decline| decline.reason.clone()).unwrap_or_default(),
    }
}

/// A page of orders, with the token of the next page if there is one.
pub(super) fn page(page: &Page) -> ListOrdersResponse {
    let last = page.orders.last().filter(|_| page.more);
    let next = last.map(|last| PageToken { user: last.user, before: last.id }.to_string());
    ListOrdersResponse {
        orders: page.orders.iter().map(order).collect(),
        next_page_token: next.unwrap_or_default(),
    }
}

fn item(item: &Item) -> OrderItem {
    OrderItem {
        product_code: item.product_code.as_str().to_owned(),
        unit_price: item.unit_price.to_float(),
        // A quantity is at most a million.
        quantity: i32::try_from(item.quantity.get()).unwrap_or(i32::MAX),
        price: Some(money(item.unit_price)),
        price_from_list: false,
    }
}

fn money(amount: Money) -> google_type::Money {
    let (units, nanos) = amount.to_units_nanos();
    google_type::Money { currency_code: amount.currency().code().to_owned(), units, nanos }
}

fn timestamp(unix_ms: i64) -> Timestamp {
    let nanos = unix_ms.rem_euclid(1000) * 1_000_000;
    Timestamp { seconds: unix_ms.div_euclid(1000), nanos: i32::try_from(nanos).unwrap_or(0) }
}

fn wire_status(status: Status) -> OrderStatus {
    match status {
        Status::Pending => OrderStatus::Pending,
        Status::Paid => OrderStatus::Paid,
        Status::Declined => OrderStatus::Declined,
        Status::NotCharged => OrderStatus::NotCharged,
        Status::Voided => OrderStatus::Voided,
        Status::Unspecified => OrderStatus::Unspecified,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamp_keeps_milliseconds() {
        assert_eq!(timestamp(1_795_413_600_123), Timestamp { seconds: 1_795_413_600, nanos: 123_000_000 });
    }
}
