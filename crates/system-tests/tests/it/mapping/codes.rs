//! A bare status: its HTTP status, type, title and text, by its code alone.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use tonic::{Code, Status};

use super::{Ask, EVERY_ASK, Rig, status, with_order_id};
use crate::{
    backend::http2::{self, Http2},
    front::Front,
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
    let rig = Rig::start().await;
    for told in CODES {
        for ask in EVERY_ASK {
            let answer = rig.told(ask, &status(told.code, "what Order said", &[])).await;
            let problem = answer.problem();
            let place = format!("{:?} on {ask:?}", told.code);
            assert_eq!(answer.status.as_u16(), told.http, "{place}");
            assert_eq!(problem["type"], format!("/problems/{}", told.slug), "{place}");
            assert_eq!(problem["code"], told.name, "{place}");
            assert_eq!(problem["retryable"], told.retryable, "{place}");
            assert_eq!(problem["detail"] == "what Order said", told.shows_message, "{place}");
            assert_eq!(answer.further_members(), with_order_id(ask, json!({})), "{place}");
            assert_eq!(answer.further_headers(), [], "{place}");
        }
    }
}

#[tokio::test]
async fn a_title_belongs_to_its_type_whatever_was_said() {
    let rig = Rig::start().await;
    let mut titles = BTreeMap::<String, BTreeSet<String>>::new();
    for told in CODES {
        for (ask, message) in [(Ask::Post, "one thing"), (Ask::Get, "another"), (Ask::List, "")] {
            let problem = rig.told(ask, &status(told.code, message, &[])).await.problem();
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
    let rig = Rig::start().await;
    for told in CODES.iter().filter(|told| !told.shows_message) {
        let one = rig.told(Ask::Get, &status(told.code, "db7.internal: disk full", &[])).await.problem();
        let other = rig.told(Ask::Get, &status(told.code, "", &[])).await.problem();
        assert_eq!(one["detail"], other["detail"], "{:?}", told.code);
        assert_ne!(one["detail"], "", "{:?}", told.code);
    }
}

#[tokio::test]
async fn an_empty_message_leaves_no_empty_detail() {
    let rig = Rig::start().await;
    for told in CODES {
        let problem = rig.told(Ask::Post, &Status::new(told.code, "")).await.problem();
        assert_ne!(problem["detail"], "", "{:?}", told.code);
    }
}

#[tokio::test]
async fn a_401_has_the_one_challenge_whatever_order_sent() {
    let rig = Rig::start().await;
    let mut denied = status(Code::Unauthenticated, "no", &[]);
    denied.metadata_mut().insert("www-authenticate", "Basic realm=\"canary\"".parse().unwrap());
    for ask in EVERY_ASK {
        let answer = rig.told(ask, &denied).await;
        assert_eq!((answer.status.as_u16(), answer.header("www-authenticate")), (401, "Bearer"));
    }
    let forbidden = rig.told(Ask::Get, &status(Code::PermissionDenied, "no", &[])).await;
    assert!(!forbidden.headers.contains_key("www-authenticate"));
}

#[tokio::test]
async fn ok_without_an_answer_is_an_answer_that_cannot_be_used() {
    let order = Http2::answering(|| http2::status(&[("grpc-status", "0"), ("grpc-message", "canary")])).await;
    let gateway = Front::of(order.address).await;
    let written = gateway.ask(Ask::Post, &[]).await;
    let problem = written.problem();
    assert_eq!((written.status.as_u16(), &problem["reason"]), (504, &json!("OUTCOME_UNKNOWN")));
    for ask in [Ask::Get, Ask::List] {
        let read = gateway.ask(ask, &[]).await;
        assert_eq!((read.status.as_u16(), &read.problem()["code"]), (502, &json!("INTERNAL")));
        assert!(!read.shown().contains("canary") && !written.shown().contains("canary"));
    }
}

#[tokio::test]
async fn a_code_that_is_none_is_unknown() {
    for code in ["17", "99", "-1", "1000000000000", "x", ""] {
        let head = [("grpc-status", code), ("grpc-message", "canary")];
        let order = Http2::answering(move || http2::status(&head)).await;
        let gateway = Front::of(order.address).await;
        for ask in EVERY_ASK {
            let answer = gateway.ask(ask, &[]).await;
            let problem = answer.problem();
            assert_eq!((answer.status.as_u16(), &problem["code"]), (500, &json!("UNKNOWN")), "{code:?}");
            assert!(!answer.shown().contains("canary"));
        }
    }
}

#[tokio::test]
async fn a_status_in_trailers_counts_like_one_in_the_head() {
    let trailers = &[("grpc-status", "5"), ("grpc-message", "no%20such%20order")];
    let order = Http2::answering(|| http2::grpc("", trailers)).await;
    let gateway = Front::of(order.address).await;
    for ask in EVERY_ASK {
        let answer = gateway.ask(ask, &[]).await;
        assert_eq!((answer.status.as_u16(), &answer.problem()["detail"]), (404, &json!("no such order")));
    }
}
