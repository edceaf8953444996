//! A status from Order becomes a problem, over a real connection: one case of each kind.
//!
//! The complete tables of codes, reasons and details are in `gateway/src/problem/tests`.

mod fixtures;
mod leakage;
mod malformed_details;

use prost::Message;
use prost_types::Any;
use serde_json::{Value, json};
use tonic::{Code, Status};
use tonic_types::pb;

use crate::{
    backend::{
        http2::{self, Http2Server},
        scripted::ScriptedOrder,
    },
    gateway_fixture::{ALL_OPERATIONS, GatewayFixture, ORDER_ID, Operation},
    support::Response,
};
use fixtures::{
    bad_request, error_info, help, localized, precondition_failure, quota_failure, request_info,
    resource_info, retry_info,
};

/// Headers of every response, of every response to a POST, and of every 401.
const USUAL_HEADERS: [&str; 13] = [
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

/// A gateway in front of an Order whose calls fail.
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

    /// The response to `operation` while Order fails with `status`.
    async fn response(&self, operation: Operation, status: &Status) -> Response {
        self.response_with(operation, &[], status).await
    }

    /// [`response`](Self::response) to a request with further headers.
    async fn response_with(
        &self,
        operation: Operation,
        headers: &[(&str, &str)],
        status: &Status,
    ) -> Response {
        self.order.fail_all(status);
        self.gateway.call(operation, headers).await
    }
}

impl Response {
    /// The members of the problem beyond [`MEMBERS`].
    fn further_members(&self) -> Value {
        let mut problem = self.problem();
        let members = problem.as_object_mut().expect("an object");
        for member in MEMBERS {
            assert!(members.remove(member).is_some(), "no {member}: {members:?}");
        }
        problem
    }

    /// The headers beyond [`USUAL_HEADERS`] and the `Vary` of compressible responses, sorted.
    fn further_headers(&self) -> Vec<(&str, &str)> {
        let text = |value| http::HeaderValue::to_str(value).expect("visible ASCII");
        let all = self.headers.iter().map(|(name, value)| (name.as_str(), text(value)));
        let mut further: Vec<_> = all.filter(|(name, _)| !USUAL_HEADERS.contains(name)).collect();
        further.retain(|header| *header != ("vary", "accept-encoding"));
        further.sort_unstable();
        further
    }

    /// The headers and the body as one text.
    fn everything(&self) -> String {
        format!("{:?}\n{}", self.headers, String::from_utf8_lossy(&self.body))
    }
}

/// A status with `details`, encoded as google.rpc.Status.
fn status(code: Code, message: &str, details: &[Any]) -> Status {
    let rpc = pb::Status { code: code.into(), message: message.to_owned(), details: details.to_vec() };
    Status::with_details(code, message, rpc.encode_to_vec().into())
}

/// Adds the `order_id` of a problem about a GET, whose path has it.
fn with_order_id(operation: Operation, mut members: Value) -> Value {
    if operation == Operation::Get && members.get("order_id").is_none() {
        members["order_id"] = json!(ORDER_ID);
    }
    members
}

#[tokio::test]
async fn code_decides_status_type_and_detail() {
    let fixture = MappingFixture::start().await;
    for (code, name, http, slug, [shows_message, retryable]) in [
        (Code::NotFound, "NOT_FOUND", 404, "not-found", [true, false]),
        (Code::Aborted, "ABORTED", 409, "aborted", [true, true]),
        (Code::Cancelled, "CANCELLED", 503, "cancelled", [false, true]),
        (Code::DataLoss, "DATA_LOSS", 500, "data-loss", [false, false]),
    ] {
        for operation in ALL_OPERATIONS {
            let response = fixture.response(operation, &status(code, "Order's message", &[])).await;
            let problem = response.problem();
            let context = format!("{code:?} on {operation:?}");
            assert_eq!(response.status.as_u16(), http, "{context}");
            assert_eq!(problem["type"], format!("/problems/{slug}"), "{context}");
            assert_eq!(problem["code"], name, "{context}");
            assert_eq!(problem["retryable"], retryable, "{context}");
            assert_eq!(problem["detail"] == "Order's message", shows_message, "{context}");
            assert_eq!(response.further_members(), with_order_id(operation, json!({})), "{context}");
            assert_eq!(response.further_headers(), [], "{context}");
        }
    }
}

#[tokio::test]
async fn declined_payment_gets_402_with_its_metadata() {
    let fixture = MappingFixture::start().await;
    let metadata =
        [("order_id", "8"), ("decline_reason", "INSUFFICIENT_BALANCE"), ("replayed", "true"), ("note", "x")];
    let details = [
        bad_request(&[("payment", "insufficient balance", "")]),
        error_info("order", "PAYMENT_DECLINED", &metadata),
    ];
    let declined = status(Code::InvalidArgument, "order creation failed", &details);
    let response = fixture.response(Operation::Create, &declined).await;
    assert_eq!(response.status.as_u16(), 402);
    assert_eq!(response.problem()["type"], "/problems/payment-declined");
    assert_eq!(response.further_headers(), [("idempotent-replayed", "true")]);
    assert_eq!(
        response.further_members(),
        json!({
            "order_id": 8, "domain": "order", "reason": "PAYMENT_DECLINED",
            "metadata": { "order_id": "8", "decline_reason": "INSUFFICIENT_BALANCE" },
            "errors": [{ "field": "payment", "detail": "insufficient balance" }],
        })
    );
}

#[tokio::test]
async fn not_started_gets_retry_after_on_every_route() {
    let fixture = MappingFixture::start().await;
    for (code, http, delay, header) in [
        (Code::Unavailable, 503, None, "1"),
        (Code::ResourceExhausted, 429, Some(retry_info(1, 500_000_000)), "2"),
    ] {
        let mut details = vec![error_info("order", "NOT_STARTED", &[])];
        details.extend(delay);
        for operation in ALL_OPERATIONS {
            let response = fixture.response(operation, &status(code, "busy", &details)).await;
            assert_eq!(response.status.as_u16(), http, "{operation:?}");
            assert_eq!(response.further_headers(), [("retry-after", header)], "{operation:?}");
            assert_eq!(response.problem()["reason"], "NOT_STARTED", "{operation:?}");
        }
    }
}

#[tokio::test]
async fn every_detail_type_adds_its_members_and_headers() {
    let fixture = MappingFixture::start().await;
    let details = [
        bad_request(&[("order_items[0].price", "is too precise", "PRECISION"), ("payment", "no", "")]),
        error_info("elsewhere", "SOMETHING_NEW", &[("order_id", "8")]),
        retry_info(2, 0),
        quota_failure("user 123", "orders.internal"),
        precondition_failure(),
        resource_info("team-7"),
        help(&[("more", "https://shop.example/a?b=c#d"), ("plain", "http://shop.example")]),
        request_info("host 7"),
    ];
    let failed = status(Code::InvalidArgument, "invalid", &details);
    for operation in ALL_OPERATIONS {
        let mut error =
            json!({ "field": "order_items[0].price", "detail": "is too precise", "reason": "PRECISION" });
        if operation == Operation::Create {
            error["pointer"] = json!("#/order_items/0/unit_price");
        }
        let members = json!({
            "errors": [error, { "field": "payment", "detail": "no" }],
            "domain": "elsewhere", "reason": "SOMETHING_NEW",
            "retry_after_ms": 2000,
            "quota_violations": [{
                "description": "too many orders", "quota_metric": "orders", "quota_id": "orders-per-minute",
                "quota_dimensions": { "region": "eu" }, "quota_value": 10, "future_quota_value": 20,
            }],
            "preconditions": [
                { "type": "TOS", "subject": "shop.example", "description": "terms not accepted" },
            ],
            "resource": { "type": "order", "name": "orders/7", "description": "is locked" },
            "links": [{ "title": "more", "href": "https://shop.example/a?b=c#d" }],
            "upstream_request_id": "upstream-1",
        });
        let response = fixture.response(operation, &failed).await;
        assert_eq!(response.status.as_u16(), 400);
        assert_eq!(response.further_members(), with_order_id(operation, members), "{operation:?}");
        assert_eq!(
            response.further_headers(),
            [("link", "<https://shop.example/a?b=c#d>; rel=\"help\""), ("retry-after", "2")],
            "{operation:?}"
        );
    }
}

#[tokio::test]
async fn currency_in_the_body_has_a_pointer() {
    let fixture = MappingFixture::start().await;
    let details = [bad_request(&[("currency_code", "no", "")])];
    fixture.order.fail_all(&status(Code::InvalidArgument, "bad", &details));
    let mut body = crate::support::order_body(123, json!("0.12"));
    body["currency"] = json!("EUR");
    let problem = fixture.gateway.client.post(body).await.problem();
    assert_eq!(problem["errors"][0]["pointer"], "#/currency");
}

#[tokio::test]
async fn accepted_language_selects_the_localized_message() {
    let fixture = MappingFixture::start().await;
    let details = [localized("fr", "en français"), localized("de-CH", "uf Züridütsch")];
    let failed = status(Code::NotFound, "in English", &details);
    for operation in ALL_OPERATIONS {
        let response =
            fixture.response_with(operation, &[("accept-language", "de, en;q=0.5")], &failed).await;
        assert_eq!(response.problem()["detail"], "uf Züridütsch", "{operation:?}");
        let expected = [("content-language", "de-CH"), ("vary", "accept-language")];
        assert_eq!(response.further_headers(), expected, "{operation:?}");
    }
}

#[tokio::test]
async fn unauthenticated_gets_a_constant_challenge() {
    let fixture = MappingFixture::start().await;
    let mut denied = status(Code::Unauthenticated, "no", &[]);
    denied.metadata_mut().insert("www-authenticate", "Basic realm=\"canary\"".parse().unwrap());
    let response = fixture.response(Operation::Get, &denied).await;
    assert_eq!(
        (response.status.as_u16(), response.header("www-authenticate")),
        (401, "Bearer realm=\"orders\"")
    );
}

#[tokio::test]
async fn number_that_is_no_code_is_unknown_and_another_status_is_an_invalid_response() {
    let unknown = [(500, "UNKNOWN"), (500, "UNKNOWN")];
    // An order may have been placed.
    let invalid = [(504, "DEADLINE_EXCEEDED"), (502, "INTERNAL")];
    for (code, [write, read]) in [("17", unknown), ("-1", invalid), ("x", invalid), ("", invalid)] {
        let head = [("grpc-status", code), ("grpc-message", "canary")];
        let order = Http2Server::responding(move || http2::status(&head)).await;
        let gateway = GatewayFixture::start(order.address).await;
        for operation in ALL_OPERATIONS {
            let response = gateway.call(operation, &[]).await;
            let problem = response.problem();
            let (status, name) = if operation == Operation::Create { write } else { read };
            assert_eq!((response.status.as_u16(), &problem["code"]), (status, &json!(name)), "{code:?}");
            assert!(!response.everything().contains("canary"));
        }
    }
}

#[tokio::test]
async fn status_in_trailers_equals_trailers_only() {
    let trailers = &[("grpc-status", "5"), ("grpc-message", "no%20such%20order")];
    let order = Http2Server::responding(|| http2::grpc("", trailers)).await;
    let gateway = GatewayFixture::start(order.address).await;
    for operation in ALL_OPERATIONS {
        let response = gateway.call(operation, &[]).await;
        assert_eq!((response.status.as_u16(), &response.problem()["detail"]), (404, &json!("no such order")));
    }
}
