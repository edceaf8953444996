//! From a failure that Order sent to what the public is told, over the real wire: every code, every detail
//! type, every reason, on POST and on GET.

mod codes;
mod details;
mod fixtures;
mod leakage;
mod localized;
mod malformed_details;
mod reasons;

use prost::Message;
use prost_types::Any;
use serde_json::{Value, json};
use tonic::{Code, Status};
use tonic_types::pb;

use crate::{
    backend::scripted::ScriptedOrder,
    gateway_fixture::{ALL_OPERATIONS, GatewayFixture, ORDER_ID, Operation},
    support::Response,
};

/// Headers of every response, and those of every response to a POST and of every 401.
const USUAL: [&str; 13] = [
    "content-type",
    "content-length",
    "date",
    "cache-control",
    "content-security-policy",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "referrer-policy",
    "x-content-type-options",
    "x-frame-options",
    "x-request-id",
    "idempotency-key",
    "www-authenticate",
];
/// Members of every problem.
const MEMBERS: [&str; 9] =
    ["type", "title", "status", "detail", "instance", "code", "request_id", "trace_id", "retryable"];

/// A gateway in front of an Order that fails as it is told to.
struct MappingFixture {
    order: ScriptedOrder,
    gateway: GatewayFixture,
}

impl MappingFixture {
    async fn start() -> Self {
        let order = ScriptedOrder::start().await;
        let gateway = GatewayFixture::start(order.address).await;
        Self { order, gateway }
    }

    /// What the public is told of `status`.
    async fn told(&self, operation: Operation, status: &Status) -> Response {
        self.told_with(operation, &[], status).await
    }

    /// The same of a request with further headers.
    async fn told_with(&self, operation: Operation, headers: &[(&str, &str)], status: &Status) -> Response {
        self.order.fail_all(status);
        self.gateway.call(operation, headers).await
    }
}

impl Response {
    /// Members of the problem beside those that every problem has.
    fn further_members(&self) -> Value {
        let mut problem = self.problem();
        let members = problem.as_object_mut().expect("an object");
        for member in MEMBERS {
            assert!(members.remove(member).is_some(), "no {member}: {members:?}");
        }
        problem
    }

    /// Headers beside the usual ones, sorted. A long problem also says that it might have been compressed.
    fn further_headers(&self) -> Vec<(&str, &str)> {
        let text = |value| http::HeaderValue::to_str(value).expect("visible ASCII");
        let all = self.headers.iter().map(|(name, value)| (name.as_str(), text(value)));
        let mut further: Vec<_> = all.filter(|(name, _)| !USUAL.contains(name)).collect();
        further.retain(|header| *header != ("vary", "accept-encoding"));
        further.sort_unstable();
        further
    }

    /// Every byte of the response that is not framing.
    fn shown(&self) -> String {
        let lossy = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let mut shown = lossy(&self.body);
        for (name, value) in &self.headers {
            shown.push_str(&format!("\n{name}: {}", lossy(value.as_bytes())));
        }
        shown
    }
}

/// A status with `details`, as a backend that follows google.rpc sends it.
fn status(code: Code, message: &str, details: &[Any]) -> Status {
    let rpc = pb::Status { code: code.into(), message: message.to_owned(), details: details.to_vec() };
    Status::with_details(code, message, rpc.encode_to_vec().into())
}

/// `order_id` of a problem about the order that a GET names; a POST and a list name none.
fn with_order_id(operation: Operation, mut members: Value) -> Value {
    if operation == Operation::Get && members.get("order_id").is_none() {
        members["order_id"] = json!(ORDER_ID);
    }
    members
}
