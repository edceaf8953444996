//! curl commands for the OpenAPI document; they call the gateway at the default address of `cargo run`.

use serde_json::json;
use utoipa::openapi::extensions::{Extensions, ExtensionsBuilder};

/// Places one order, however often it runs, since the idempotency key is constant.
pub(super) const PLACE: &str = r#"curl -i http://127.0.0.1:8080/orders -H 'Content-Type: application/json' \
  -H 'Idempotency-Key: 486b1cb3-32fa-401f-a7b6-dcfe53e6698a' \
  -d '{"user_id":123,"order_items":[{"product_code":"sku1","unit_price":0.12,"quantity":1}]}'"#;

/// Repeats [`PLACE`] for the `Location` of its order, and reads the order there.
pub(super) const READ: &str = r#"order=$(curl -s -o /dev/null -w '%header{location}' http://127.0.0.1:8080/orders -H 'Content-Type: application/json' \
  -H 'Idempotency-Key: 486b1cb3-32fa-401f-a7b6-dcfe53e6698a' \
  -d '{"user_id":123,"order_items":[{"product_code":"sku1","unit_price":0.12,"quantity":1}]}')
curl -i "http://127.0.0.1:8080$order" -H 'Prefer: wait=5'"#;

pub(super) const LIST: &str = "curl -i 'http://127.0.0.1:8080/orders?user_id=123&page_size=10'";

/// A description in Markdown: `text`, then the sample.
pub(super) fn description(text: &str, sample: &str) -> String {
    format!("{text}\n\n```sh\n{sample}\n```")
}

/// The extension `x-codeSamples`, for viewers that support it.
pub(super) fn extension(sample: &str) -> Extensions {
    let samples = json!([{ "lang": "Shell", "label": "curl", "source": sample }]);
    ExtensionsBuilder::new().add("x-codeSamples", samples).build()
}
