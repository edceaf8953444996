//! Sample requests.

use std::time::Duration;

use proto::{
    google_type::Money,
    order::{CreateOrderRequest, CreateOrderResponse, OrderItem},
};
use tonic::{Request, Status};

use super::Client;

/// The sample of the old contract: user 123, one piece of sku1 for 0.12.
pub(crate) fn request() -> CreateOrderRequest {
    CreateOrderRequest { user_id: 123, order_items: vec![item("sku1", 0.12, 1)], ..Default::default() }
}

pub(crate) fn keyed(key: &str) -> CreateOrderRequest {
    CreateOrderRequest { idempotency_key: key.to_owned(), ..request() }
}

pub(crate) fn item(product_code: &str, unit_price: f32, quantity: i32) -> OrderItem {
    OrderItem { product_code: product_code.to_owned(), unit_price, quantity, ..OrderItem::default() }
}

pub(crate) fn money(currency_code: &str, units: i64, nanos: i32) -> Money {
    Money { currency_code: currency_code.to_owned(), units, nanos }
}

pub(crate) async fn create(
    client: &Client,
    request: CreateOrderRequest,
) -> Result<CreateOrderResponse, Status> {
    client.clone().create(request).await.map(tonic::Response::into_inner)
}

/// As [`create`], with a deadline.
pub(crate) async fn create_within(
    client: &Client,
    request: CreateOrderRequest,
    timeout: Duration,
) -> Result<CreateOrderResponse, Status> {
    let mut request = Request::new(request);
    request.set_timeout(timeout);
    client.clone().create(request).await.map(tonic::Response::into_inner)
}
