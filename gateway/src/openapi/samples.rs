//! Requests to paste into a shell, for a gateway at the address of `cargo run`.

use serde_json::json;
use utoipa::openapi::extensions::{Extensions, ExtensionsBuilder};

/// Places one order, however often it runs, since the key is constant.
pub(super) const PLACE: &str = r#"curl -i http://127.0.0.1:8080/orders -H 'Content-Type: application/json' \
  -H 'Idempotency-Key: 486b1cb3-32fa-401f-a7b6-dcfe53e6698a' \
  -d '{"user_id":123,"order_items":[{"product_code":"sku1","unit_price":0.12,"quantity":1}]}'"#;

/// Reads the order of [`PLACE`] at its `Location`.
pub(super) const READ: &str = r#"order=$(curl -s -o /dev/null -w '%header{location}' http://127.0.0.1:8080/orders -H 'Content-Type: application/json' \
  -H 'Idempotency-Key: 486b1cb3-32fa-401f-a7b6-dcfe53e6698a' \
  -d '{"user_id":123,"order_items":[{"product_code":"sku1","unit_price":0.12,"quantity":1}]}')
curl -i "http://127.0.0.1:8080$order" -H 'Prefer: wait=5'"#;

pub(super) const LIST: &str = "curl -i 'http://127.0.0.1:8080/orders?user_id=123&page_size=10'";

/// `text` followed by the sample, as Markdown.
pub(super) fn described(text: &str, sample: &str) -> String {
    format!("{text}\n\n```sh\n{sample}\n```")
}

/// The sample for viewers that support `x-codeSamples`.
pub(super) fn extension(sample: &str) -> Extensions {
    let samples = json!([{ "lang": "Shell", "label": "curl", "source": sample }]);
    ExtensionsBuilder::new().add("x-codeSamples", samples).build()
}
