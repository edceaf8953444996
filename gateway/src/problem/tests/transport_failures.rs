//! Failures on this side of the wire: no status came from the backend.

use std::{net::SocketAddr, sync::Arc};

use grpc_client::{Channel, Failure};
use proto::order::{GetOrderRequest, order_client::OrderClient};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tonic::{Code, Status};

use super::see;
use crate::problem::{RequestFacts, from_status, mapping::on_this_side};

#[tokio::test]
async fn each_failure_is_told_by_whether_it_may_have_changed_something() {
    let outcome_unknown = (504, "outcome-unknown", "DEADLINE_EXCEEDED");
    for (failure, read) in [
        (Failure::DeadlineExceeded, (504, "deadline-exceeded", "DEADLINE_EXCEEDED")),
        (Failure::ResponseTooLarge, (502, "internal", "INTERNAL")),
        (Failure::InvalidResponse, (502, "internal", "INTERNAL")),
        (Failure::ConnectionLost, (503, "unavailable", "UNAVAILABLE")),
    ] {
        for (write, (http, slug, code)) in [(false, read), (true, outcome_unknown)] {
            let seen = see(on_this_side(failure, write)).await;
            assert_eq!((seen.status.as_u16(), &seen.body["code"]), (http, &json!(code)), "{failure:?}");
            assert_eq!(seen.body["type"], json!(format!("/problems/{slug}")));
            assert_eq!(seen.body.get("domain").and_then(Value::as_str), write.then_some("gateway"));
            assert_eq!(seen.header("retry-after"), None);
        }
    }
}

#[tokio::test]
async fn a_call_that_never_ran_was_not_started_be_it_a_read_or_a_write() {
    for write in [false, true] {
        let seen = see(on_this_side(Failure::NeverRan, write)).await;
        assert_eq!((seen.status.as_u16(), seen.header("retry-after")), (503, Some("1")));
        assert_eq!((&seen.body["reason"], &seen.body["domain"]), (&json!("NOT_STARTED"), &json!("gateway")));
    }
}

#[tokio::test]
async fn a_refused_connection_is_not_started_and_its_address_stays_here() {
    let address = free_address().await;
    let channel = Channel::builder(address.to_string().parse().unwrap()).build().unwrap();
    let request = GetOrderRequest { order_id: 7, ..Default::default() };
    let status = OrderClient::new(channel).get(request).await.unwrap_err();
    let seen =
        see(from_status(&status, &RequestFacts { order_id: Some(7), ..RequestFacts::default() })).await;
    assert_eq!((seen.status.as_u16(), &seen.body["reason"]), (503, &json!("NOT_STARTED")));
    assert_eq!(seen.body["order_id"], json!(7));
    for private in ["connect", "tcp", "127.0.0.1", &address.port().to_string()] {
        assert!(!seen.text.contains(private), "{}", seen.text);
    }
}

#[tokio::test]
async fn nothing_of_a_status_raised_here_is_shown_whatever_its_code() {
    for code in super::CODES {
        let mut status = super::status(code, "canary", &[super::bad_request(&[("canary", "canary", "")])]);
        status.metadata_mut().remove(super::ANSWERED);
        status.set_source(Arc::new(std::io::Error::other("canary")));
        assert_eq!(Failure::of(&status), Failure::ConnectionLost);
        let seen = see(from_status(&status, &RequestFacts::default())).await;
        assert_eq!((seen.status.as_u16(), &seen.body["code"]), (503, &json!("UNAVAILABLE")));
        assert!(!seen.text.contains("canary"), "{}", seen.text);
    }
    let undecodable = Status::new(Code::Internal, "canary");
    assert_eq!(see(from_status(&undecodable, &RequestFacts::default())).await.status.as_u16(), 502);
}

/// An address where nobody listens.
async fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}
