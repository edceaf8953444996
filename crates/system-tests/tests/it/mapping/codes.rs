//! A bare status: its HTTP status, type, title and text, by its code alone.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use tonic::{Code, Status};

use super::{ALL_OPERATIONS, MappingFixture, Operation, status, with_order_id};
use crate::{
    backend::http2::{self, Http2Server},
    gateway_fixture::GatewayFixture,
};

/// What the public is told of a backend's code.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told {
    pub(super) code: Code,
    pub(super) name: &'static str,
    pub(super) http: u16,
    pub(super) slug: &'static str,
    pub(super) shows_message: bool,
    pub(super) retryable: bool,
}

const fn told(
    code: Code,
    name: &'static str,
    http: u16,
    slug: &'static str,
    [shows_message, retryable]: [bool; 2],
) -> Told {
    Told { code, name, http, slug, shows_message, retryable }
}

/// Every code of a failure, the public HTTP status of each as google/rpc/code.proto has it but for CANCELLED.
pub(super) const CODES: [Told; 16] = [
    told(Code::Cancelled, "CANCELLED", 503, "cancelled", [false, true]),
    told(Code::Unknown, "UNKNOWN", 500, "unknown", [false, true]),
    told(Code::InvalidArgument, "INVALID_ARGUMENT", 400, "invalid-argument", [true, false]),
    told(Code::DeadlineExceeded, "DEADLINE_EXCEEDED", 504, "deadline-exceeded", [false, true]),
    told(Code::NotFound, "NOT_FOUND", 404, "not-found", [true, false]),
    told(Code::AlreadyExists, "ALREADY_EXISTS", 409, "already-exists", [true, false]),
    told(Code::PermissionDenied, "PERMISSION_DENIED", 403, "permission-denied", [true, false]),
    told(Code::ResourceExhausted, "RESOURCE_EXHAUSTED", 429, "resource-exhausted", [true, true]),
    told(Code::FailedPrecondition, "FAILED_PRECONDITION", 400, "failed-precondition", [true, false]),
    told(Code::Aborted, "ABORTED", 409, "aborted", [true, true]),
    told(Code::OutOfRange, "OUT_OF_RANGE", 400, "out-of-range", [true, false]),
    told(Code::Unimplemented, "UNIMPLEMENTED", 501, "unimplemented", [true, false]),
    told(Code::Internal, "INTERNAL", 500, "internal", [false, true]),
    told(Code::Unavailable, "UNAVAILABLE", 503, "unavailable", [false, true]),
    told(Code::DataLoss, "DATA_LOSS", 500, "data-loss", [false, false]),
    told(Code::Unauthenticated, "UNAUTHENTICATED", 401, "unauthenticated", [true, false]),
];

#[tokio::test]
async fn every_code_has_its_status_type_name_and_text_however_it_is_asked_for() {
    let fixture = MappingFixture::start().await;
    for told in CODES {
        for operation in ALL_OPERATIONS {
            let response = fixture.told(operation, &status(told.code, "what Order said", &[])).await;
            let problem = response.problem();
            let place = format!("{:?} on {operation:?}", told.code);
            assert_eq!(response.status.as_u16(), told.http, "{place}");
            assert_eq!(problem["type"], format!("/problems/{}", told.slug), "{place}");
            assert_eq!(problem["code"], told.name, "{place}");
            assert_eq!(problem["retryable"], told.retryable, "{place}");
            assert_eq!(problem["detail"] == "what Order said", told.shows_message, "{place}");
            assert_eq!(response.further_members(), with_order_id(operation, json!({})), "{place}");
            assert_eq!(response.further_headers(), [], "{place}");
        }
    }
}

#[tokio::test]
async fn a_title_belongs_to_its_type_whatever_was_said() {
    let fixture = MappingFixture::start().await;
    let mut titles = BTreeMap::<String, BTreeSet<String>>::new();
    for told in CODES {
        for (operation, message) in
            [(Operation::Create, "one thing"), (Operation::Get, "another"), (Operation::List, "")]
        {
            let problem = fixture.told(operation, &status(told.code, message, &[])).await.problem();
            let text = |member: &str| problem[member].as_str().expect("a text").to_owned();
            titles.entry(text("type")).or_default().insert(text("title"));
        }
    }
    assert_eq!(titles.len(), CODES.len());
    assert!(titles.values().all(|titles| titles.len() == 1), "{titles:?}");
    let distinct: BTreeSet<_> = titles.values().flatten().collect();
    assert_eq!(distinct.len(), CODES.len(), "{titles:?}");
}

#[tokio::test]
async fn a_masked_message_is_replaced_by_the_same_words_every_time() {
    let fixture = MappingFixture::start().await;
    for told in CODES.iter().filter(|told| !told.shows_message) {
        let one =
            fixture.told(Operation::Get, &status(told.code, "db7.internal: disk full", &[])).await.problem();
        let other = fixture.told(Operation::Get, &status(told.code, "", &[])).await.problem();
        assert_eq!(one["detail"], other["detail"], "{:?}", told.code);
        assert_ne!(one["detail"], "", "{:?}", told.code);
    }
}

#[tokio::test]
async fn an_empty_message_leaves_no_empty_detail() {
    let fixture = MappingFixture::start().await;
    for told in CODES {
        let problem = fixture.told(Operation::Create, &Status::new(told.code, "")).await.problem();
        assert_ne!(problem["detail"], "", "{:?}", told.code);
    }
}

#[tokio::test]
async fn a_401_has_the_one_challenge_whatever_order_sent() {
    let fixture = MappingFixture::start().await;
    let mut denied = status(Code::Unauthenticated, "no", &[]);
    denied.metadata_mut().insert("www-authenticate", "Basic realm=\"canary\"".parse().unwrap());
    for operation in ALL_OPERATIONS {
        let response = fixture.told(operation, &denied).await;
        assert_eq!((response.status.as_u16(), response.header("www-authenticate")), (401, "Bearer"));
    }
    let forbidden = fixture.told(Operation::Get, &status(Code::PermissionDenied, "no", &[])).await;
    assert!(!forbidden.headers.contains_key("www-authenticate"));
}

#[tokio::test]
async fn ok_without_an_answer_is_an_answer_that_cannot_be_used() {
    let order =
        Http2Server::responding(|| http2::status(&[("grpc-status", "0"), ("grpc-message", "canary")])).await;
    let gateway = GatewayFixture::start(order.address).await;
    let written = gateway.call(Operation::Create, &[]).await;
    let problem = written.problem();
    assert_eq!((written.status.as_u16(), &problem["reason"]), (504, &json!("OUTCOME_UNKNOWN")));
    for operation in [Operation::Get, Operation::List] {
        let read = gateway.call(operation, &[]).await;
        assert_eq!((read.status.as_u16(), &read.problem()["code"]), (502, &json!("INTERNAL")));
        assert!(!read.shown().contains("canary") && !written.shown().contains("canary"));
    }
}

#[tokio::test]
async fn a_code_that_is_none_is_unknown() {
    for code in ["17", "99", "-1", "1000000000000", "x", ""] {
        let head = [("grpc-status", code), ("grpc-message", "canary")];
        let order = Http2Server::responding(move || http2::status(&head)).await;
        let gateway = GatewayFixture::start(order.address).await;
        for operation in ALL_OPERATIONS {
            let response = gateway.call(operation, &[]).await;
            let problem = response.problem();
            assert_eq!((response.status.as_u16(), &problem["code"]), (500, &json!("UNKNOWN")), "{code:?}");
            assert!(!response.shown().contains("canary"));
        }
    }
}

#[tokio::test]
async fn a_status_in_trailers_counts_like_one_in_the_head() {
    let trailers = &[("grpc-status", "5"), ("grpc-message", "no%20such%20order")];
    let order = Http2Server::responding(|| http2::grpc("", trailers)).await;
    let gateway = GatewayFixture::start(order.address).await;
    for operation in ALL_OPERATIONS {
        let response = gateway.call(operation, &[]).await;
        assert_eq!((response.status.as_u16(), &response.problem()["detail"]), (404, &json!("no such order")));
    }
}
