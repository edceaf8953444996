//! Bad input: refused with every fault named, before anything is saved.

use all_in_one::System;
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Client, metrics};

mod accepted;
mod bodies;
mod keys;
mod members;
mod queries;
mod routes;
mod values;

const JSON: (&str, &str) = ("content-type", "application/json");
const EXAMPLE: &str =
    r#"{"user_id":123,"order_items":[{"product_code":"sku1","unit_price":0.12,"quantity":1}]}"#;

/// A gateway in front of services that must not notice what it refuses.
struct Guarded {
    system: System,
    client: Client,
}

impl Guarded {
    async fn start() -> Self {
        let system = System::start().await.unwrap();
        Self { client: Client::new(system.gateway_url()), system }
    }

    /// Posts a body that must be refused for exactly these members, each as field and pointer.
    async fn refuses(&self, body: impl Into<Bytes>, members: &[(&str, &str)]) -> Value {
        let body = body.into();
        let shown = String::from_utf8_lossy(&body[..body.len().min(300)]).into_owned();
        let answer = self.client.send(Method::POST, "/orders", &[JSON], body).await;
        let problem = invalid(&answer, &shown);
        let named: Vec<(&str, &str)> =
            errors(&problem).map(|e| (text(e, "field"), text(e, "pointer"))).collect();
        assert_eq!(named, members, "{shown}");
        problem
    }

    /// Ends the test: nothing that was sent may have reached Order, let alone Payment.
    async fn nothing_was_placed(self) {
        let listed = self.client.get("/orders?user_id=123").await;
        assert_eq!(listed.json()["orders"], json!([]));
        assert_eq!(metrics::calls(self.system.order_admin(), "Order/List").await, 1);
        assert_eq!(metrics::calls(self.system.order_admin(), "Order/Create").await, 0);
        assert_eq!(metrics::calls(self.system.payment_admin(), "Payment/Create").await, 0);
    }
}

/// The problem of a request that is wrong in itself.
fn invalid(answer: &Answer, shown: &str) -> Value {
    assert_eq!(answer.status, 400, "{shown}: {}", answer.text());
    let problem = answer.problem();
    assert_eq!(problem["type"], "/problems/invalid-argument", "{shown}");
    assert_eq!((&problem["code"], &problem["retryable"]), (&json!("INVALID_ARGUMENT"), &json!(false)));
    assert_eq!(problem.get("order_id"), None, "{shown}");
    assert_eq!(answer.header("location"), "", "{shown}");
    for error in errors(&problem) {
        let detail = text(error, "detail");
        assert!(!detail.is_empty() && detail.len() < 300, "{shown}: {detail}");
        for inside in ["serde", "private", "RawValue", "src/", "::"] {
            assert!(!detail.contains(inside), "{shown}: {detail}");
        }
    }
    problem
}

/// The fields named by the problem of a request that is wrong in itself.
fn fields(answer: &Answer, shown: &str) -> Vec<String> {
    errors(&invalid(answer, shown)).map(|error| text(error, "field").to_owned()).collect()
}

fn errors(problem: &Value) -> impl Iterator<Item = &Value> {
    problem["errors"].as_array().expect("errors").iter()
}

/// A member's text, or "" where it is missing.
fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_default()
}

/// The example with another value of one of its members, as JSON text.
fn with(member: &str, value: &str) -> String {
    let (from, to) = match member {
        "user_id" => ("123", value.to_owned()),
        "product_code" => ("\"sku1\"", value.to_owned()),
        "unit_price" => ("0.12", value.to_owned()),
        "quantity" => ("\"quantity\":1", format!("\"quantity\":{value}")),
        "currency" => ("{\"user_id\"", format!("{{\"currency\":{value},\"user_id\"")),
        "order_items" => (r#"[{"product_code":"sku1","unit_price":0.12,"quantity":1}]"#, value.to_owned()),
        _ => panic!("the example has no {member}"),
    };
    EXAMPLE.replacen(from, &to, 1)
}
