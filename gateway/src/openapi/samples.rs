//! Requests to paste into a shell. The gateway is where `cargo run` puts it.

use serde_json::json;
use utoipa::openapi::extensions::{Extensions, ExtensionsBuilder};

/// Run twice it is one order, since the key is the same.
pub(super) const PLACE: &str = r#"curl -i http://127.0.0.1:8080/orders -H 'Content-Type: application/json' \
  -H 'Idempotency-Key: 486b1cb3-32fa-401f-a7b6-dcfe53e6698a' \
  -d '{"user_id":123,"order_items":[{"product_code":"sku1","unit_price":0.12,"quantity":1}]}'"#;

/// The order of [`PLACE`], by the address that placing it is answered with.
pub(super) const READ: &str = r#"order=$(curl -s -o /dev/null -w '%header{location}' http://127.0.0.1:8080/orders -H 'Content-Type: application/json' \
  -H 'Idempotency-Key: 486b1cb3-32fa-401f-a7b6-dcfe53e6698a' \
  -d '{"user_id":123,"order_items":[{"product_code":"sku1","unit_price":0.12,"quantity":1}]}')
curl -i "http://127.0.0.1:8080$order" -H 'Prefer: wait=5'"#;

pub(super) const LIST: &str = "curl -i 'http://127.0.0.1:8080/orders?user_id=123&page_size=10'";

/// `text` and the sample after it, as Markdown.
pub(super) fn described(text: &str, sample: &str) -> String {
    format!("{text}\n\n```sh\n{sample}\n```")
}

/// The sample for programs that show such in a column of their own.
pub(super) fn extension(sample: &str) -> Extensions {
    let samples = json!([{ "lang": "Shell", "label": "curl", "source": sample }]);
    ExtensionsBuilder::new().add("x-codeSamples", samples).build()
}
