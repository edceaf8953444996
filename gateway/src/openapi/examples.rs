//! Examples of requests and responses.

use serde_json::{Value, json};

pub(super) fn order_draft() -> Value {
    json!({ "user_id": 123, "order_items": [{ "product_code": "sku1", "unit_price": 0.12, "quantity": 1 }] })
}

pub(super) fn order_draft_in_yen() -> Value {
    json!({
        "user_id": 123,
        "currency": "JPY",
        "order_items": [
            { "product_code": "sku1", "unit_price": "120", "quantity": 2 },
            { "product_code": "sku2", "unit_price": "0", "quantity": 1 },
        ],
    })
}

pub(super) fn paid_order() -> Value {
    json!({
        "order_id": 115_458_048_000_000_i64,
        "user_id": 123,
        "status": "PAID",
        "currency": "USD",
        "total_price": 0.12,
        "total_price_text": "0.12",
        "order_items": [
            { "product_code": "sku1", "unit_price": 0.12, "unit_price_text": "0.12", "quantity": 1 },
        ],
        "created_at": "2026-11-23T06:00:00.000Z",
    })
}

pub(super) fn declined_order() -> Value {
    json!({
        "order_id": 115_458_048_000_001_i64,
        "user_id": 123,
        "status": "DECLINED",
        "currency": "USD",
        "total_price": 2000.5,
        "total_price_text": "2000.50",
        "order_items": [
            { "product_code": "sku2", "unit_price": 2000.5, "unit_price_text": "2000.50", "quantity": 1 },
        ],
        "created_at": "2026-11-23T06:00:00.000Z",
        "decline_reason": "INSUFFICIENT_BALANCE",
    })
}

pub(super) fn page() -> Value {
    json!({ "orders": [declined_order(), paid_order()], "next_page_token": "" })
}
