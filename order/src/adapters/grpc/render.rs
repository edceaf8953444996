//! From the domain to the wire.

use std::{fmt, str::FromStr};

use money::Money;
use prost_types::Timestamp;
use proto::{
    google_type,
    order::{CreateOrderResponse, GetOrderResponse, ListOrdersResponse, OrderItem, OrderStatus},
};

use crate::{
    application::Placed,
    domain::{Item, Order, OrderId, Status, UserId},
    ports::Page,
};

/// The answer to a request whose order was charged; with its items, where the request does not hold all of their prices.
pub(super) fn placed(placed: &Placed, with_items: bool) -> CreateOrderResponse {
    let items = placed.order.items.iter().filter(|_| with_items);
    CreateOrderResponse {
        order_items: items.map(item).collect(),
        order_id: placed.order.id.get(),
        status: wire_status(placed.order.status).into(),
        total: Some(money(placed.order.total)),
        create_time: Some(timestamp(placed.order.created_ms)),
        replayed: placed.replayed,
    }
}

/// An order as it stands.
pub(super) fn order(order: &Order) -> GetOrderResponse {
    GetOrderResponse {
        user_id: order.user.get(),
        order_items: order.items.iter().map(item).collect(),
        order_id: order.id.get(),
        status: wire_status(order.status).into(),
        total: Some(money(order.total)),
        create_time: Some(timestamp(order.created_ms)),
        decline_reason: order.decline.as_ref().map(|decline| decline.reason.clone()).unwrap_or_default(),
    }
}

/// A page of orders, with the token of the next where there is one.
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
    }
}

/// Where the next page begins, for the user whose page it is. Callers see a text without meaning (AIP-158).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PageToken {
    pub(super) user: UserId,
    pub(super) before: OrderId,
}

impl fmt::Display for PageToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", self.user.get(), self.before.get())
    }
}

impl FromStr for PageToken {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (user, before) = text.split_at_checked(16).filter(|(_, before)| before.len() == 16).ok_or(())?;
        let number = |hex: &str| i64::from_str_radix(hex, 16).map_err(drop);
        let token = Self {
            user: UserId::new(number(user)?).ok_or(())?,
            before: OrderId::new(number(before)?).ok_or(())?,
        };
        // One page has one token: no sign, no capitals.
        if token.to_string() == text { Ok(token) } else { Err(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_keeps_its_milliseconds() {
        assert_eq!(timestamp(1_795_413_600_123), Timestamp { seconds: 1_795_413_600, nanos: 123_000_000 });
    }

    #[test]
    fn only_a_token_that_was_given_is_read() {
        let token = PageToken { user: UserId::new(1).unwrap(), before: OrderId::new(2).unwrap() };
        assert_eq!(token.to_string().parse(), Ok(token));
        for bad in
            ["", "1", "+000000000000001000000000000000 2", &"0".repeat(32), &"F".repeat(32), &"é".repeat(16)]
        {
            assert_eq!(bad.parse::<PageToken>(), Err(()), "{bad}");
        }
    }
}
