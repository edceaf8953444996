//! Validation of requests: a 400 lists every error, and nothing is saved.

use all_in_one::{Options, System};
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use crate::support::{Client, EXAMPLE, Response, scrape, start_system};

mod accepted;
mod bodies;
mod idempotency_key;
mod members;
mod queries;
mod routes;
mod values;

const JSON: (&str, &str) = ("content-type", "application/json");

/// A system whose Order and Payment must receive nothing that the gateway rejects.
struct InputFixture {
    system: System,
    client: Client,
}

impl InputFixture {
    async fn start() -> Self {
        let (system, client) =
            start_system(Options::default().var("PAYMENT_CREDIT_LIMITS", "USD:1000,KWD:1000")).await;
        Self { system, client }
    }

    /// Posts a body and asserts a 400 with exactly these errors, each as field and pointer.
    async fn assert_rejected(&self, body: impl Into<Bytes>, members: &[(&str, &str)]) -> Value {
        let body = body.into();
        let shown = String::from_utf8_lossy(&body[..body.len().min(300)]).into_owned();
        let response = self.client.send(Method::POST, "/orders", &[JSON], body).await;
        let problem = invalid(&response, &shown);
        let named: Vec<(&str, &str)> =
            errors(&problem).map(|e| (text(e, "field"), text(e, "pointer"))).collect();
        assert_eq!(named, members, "{shown}");
        problem
    }

    /// Asserts that Order and Payment received no call to create anything.
    async fn assert_no_order_created(self) {
        let listed = self.client.get("/orders?user_id=123").await;
        assert_eq!(listed.json()["orders"], json!([]));
        assert_eq!(scrape::calls(self.system.order_admin(), "Order/List").await, 1);
        assert_eq!(scrape::calls(self.system.order_admin(), "Order/Create").await, 0);
        assert_eq!(scrape::calls(self.system.payment_admin(), "Payment/Create").await, 0);
    }
}

/// Asserts a 400 `invalid-argument` and returns its problem.
fn invalid(response: &Response, shown: &str) -> Value {
    assert_eq!(response.status, 400, "{shown}: {}", response.text());
    let problem = response.problem();
    assert_eq!(problem["type"], "/problems/invalid-argument", "{shown}");
    assert_eq!((&problem["code"], &problem["retryable"]), (&json!("INVALID_ARGUMENT"), &json!(false)));
    assert_eq!(problem.get("order_id"), None, "{shown}");
    assert_eq!(response.header("location"), "", "{shown}");
    for error in errors(&problem) {
        let detail = text(error, "detail");
        assert!(!detail.is_empty() && detail.len() < 300, "{shown}: {detail}");
        for inside in ["serde", "private", "RawValue", "src/", "::"] {
            assert!(!detail.contains(inside), "{shown}: {detail}");
        }
    }
    problem
}

/// The fields listed by a 400 `invalid-argument`.
fn fields(response: &Response, shown: &str) -> Vec<String> {
    errors(&invalid(response, shown)).map(|error| text(error, "field").to_owned()).collect()
}

fn errors(problem: &Value) -> impl Iterator<Item = &Value> {
    problem["errors"].as_array().expect("errors").iter()
}

/// The text of a member, or "" if the member is missing.
fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_default()
}

/// The example with another value for one of its members, as JSON text.
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
