//! What must never leave: a canary in every place that is not the public's, with every code and reason, on
//! every route.

use prost_types::Any;
use tonic::{Code, Status, metadata::MetadataValue};

use super::{
    Ask, EVERY_ASK, Rig,
    codes::CODES,
    given::{
        any, debug_info, error_info, help, localized, malformed, quota_failure, request_info, resource_info,
        unknown,
    },
    status,
};
use crate::{
    backend::http2::{self, Http2},
    front::Front,
    log::Log,
};

const CANARY: &str = "canary";

/// Everything private that a backend can put into the details of one status.
fn planted(info: Any) -> Vec<Any> {
    vec![
        info,
        debug_info(CANARY),
        request_info(CANARY),
        resource_info(CANARY),
        quota_failure(CANARY, CANARY),
        unknown("shop.Canary", b"canary"),
        unknown("canary", b"canary"),
        Any { type_url: CANARY.to_owned(), value: CANARY.into() },
        malformed("google.rpc.Help/canary"),
        help(&[(CANARY, "http://canary.example"), (CANARY, "javascript:canary")]),
        localized("canary canary", CANARY),
        any(
            "google.rpc.Status",
            &tonic_types::pb::Status { message: CANARY.to_owned(), ..Default::default() },
        ),
    ]
}

/// A status with metadata of the call itself, as text and as bytes.
fn with_metadata(mut status: Status) -> Status {
    for name in ["x-internal", "set-cookie", "location", "server", "content-language", "idempotent-replayed"]
    {
        status.metadata_mut().insert(name, MetadataValue::from_static(CANARY));
    }
    status.metadata_mut().insert_bin("x-trace-bin", MetadataValue::from_bytes(b"canary"));
    status
}

#[tokio::test]
async fn no_canary_leaves_with_any_code() {
    let rig = Rig::start().await;
    let unregistered = [("note", CANARY), (CANARY, "x"), ("order_id", "8"), ("decline_reason", CANARY)];
    for told in CODES {
        let message = if told.shows_message { "no" } else { CANARY };
        let details = planted(error_info("elsewhere", "OTHER", &unregistered));
        let failed = with_metadata(status(told.code, message, &details));
        for ask in EVERY_ASK {
            let answer = rig.told_with(ask, &[("accept-language", "*, en")], &failed).await;
            assert_eq!(answer.status.as_u16(), told.http, "{:?} on {ask:?}", told.code);
            assert!(!answer.shown().to_lowercase().contains(CANARY), "{:?}: {}", told.code, answer.shown());
        }
    }
}

#[tokio::test]
async fn no_canary_leaves_with_any_reason() {
    let rig = Rig::start().await;
    for reason in [
        "PAYMENT_DECLINED",
        "NOT_CHARGED",
        "OUTCOME_UNKNOWN",
        "IDEMPOTENCY_IN_PROGRESS",
        "IDEMPOTENCY_KEY_REUSED",
        "ORDER_VOIDED",
        "NOT_STARTED",
    ] {
        for told in CODES {
            let message = if told.shows_message { "no" } else { CANARY };
            let details = planted(error_info("order", reason, &[("note", CANARY), (CANARY, "x")]));
            let answer = rig.told(Ask::Post, &with_metadata(status(told.code, message, &details))).await;
            assert!(!answer.shown().to_lowercase().contains(CANARY), "{reason}: {}", answer.shown());
        }
    }
}

#[tokio::test]
async fn nothing_of_the_call_s_head_or_trailers_leaves() {
    let order = Http2::answering(|| {
        let mut answer = http2::grpc(
            "",
            &[
                ("grpc-status", "5"),
                ("grpc-message", "gone"),
                ("x-internal", CANARY),
                ("set-cookie", "canary=1"),
            ],
        );
        for name in ["x-internal", "server", "via", "set-cookie", "grpc-encoding-note"] {
            answer.headers_mut().insert(name, http::HeaderValue::from_static(CANARY));
        }
        answer
    })
    .await;
    let gateway = Front::of(order.address).await;
    for ask in EVERY_ASK {
        let answer = gateway.ask(ask, &[]).await;
        assert_eq!(answer.status.as_u16(), 404);
        assert!(!answer.shown().contains(CANARY), "{}", answer.shown());
    }
}

#[tokio::test]
async fn what_could_end_a_header_ends_none() {
    let rig = Rig::start().await;
    let injected = "x\r\nSet-Cookie: stolen=1\r\n\r\n<script>";
    let details = [
        error_info("order", injected, &[(injected, injected)]),
        error_info(injected, "PAYMENT_DECLINED", &[("order_id", injected), ("replayed", injected)]),
        help(&[(injected, "https://shop.example/\r\nSet-Cookie: stolen=1")]),
        localized("de\r\nSet-Cookie: stolen=1", injected),
    ];
    for told in CODES {
        let answer = rig.told(Ask::Post, &status(told.code, injected, &details)).await;
        assert_eq!(answer.status.as_u16(), told.http);
        assert_eq!(answer.further_headers(), []);
        // As text of the body it is JSON's business, and escaped.
        assert!(!answer.body.contains(&b'\r') && !answer.body.contains(&b'\n'));
    }
}

#[tokio::test]
async fn the_same_reason_of_another_domain_shows_no_metadata() {
    let rig = Rig::start().await;
    let details =
        [error_info("payment", "PAYMENT_DECLINED", &[("order_id", "8"), ("decline_reason", CANARY)])];
    let answer = rig.told(Ask::Post, &status(Code::InvalidArgument, "no", &details)).await;
    assert_eq!(answer.status.as_u16(), 400);
    assert!(answer.problem().get("metadata").is_none() && !answer.shown().contains(CANARY));
}

#[tokio::test]
async fn what_the_public_is_not_told_is_in_the_log_once() {
    let log = Log::keep();
    let rig = Rig::start().await;
    for told in CODES.iter().filter(|told| !told.shows_message) {
        for ask in EVERY_ASK {
            log.lines();
            rig.told(ask, &status(told.code, "db7: disk full\nforged line", &[debug_info("main.rs:7")]))
                .await;
            let lines = log.lines();
            for (cause, place) in
                [("db7: disk full", "a call to a backend failed"), ("main.rs:7", "debug_info")]
            {
                let of: Vec<_> = lines.iter().filter(|line| line.contains(cause)).collect();
                assert!(of.len() == 1 && of[0].contains(" WARN ") && of[0].contains(place), "{lines:#?}");
            }
            assert!(!lines.iter().any(|line| line.starts_with("forged")), "{lines:#?}");
        }
    }
}
