//! Transport failures: the backend sent no status.

use std::{net::SocketAddr, sync::Arc};

use grpc_client::{Channel, Failure};
use proto::order::{GetOrderRequest, order_client::OrderClient};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tonic::{Code, Status};

use super::render;
use crate::problem::{RequestFacts, from_status, mapping::from_transport_failure};

#[tokio::test]
async fn a_failure_maps_by_whether_the_call_may_have_changed_something() {
    let outcome_unknown = (504, "outcome-unknown", "DEADLINE_EXCEEDED");
    for (failure, read) in [
        (Failure::DeadlineExceeded, (504, "deadline-exceeded", "DEADLINE_EXCEEDED")),
        (Failure::ResponseTooLarge, (502, "internal", "INTERNAL")),
        (Failure::InvalidResponse, (502, "internal", "INTERNAL")),
        (Failure::ConnectionLost, (503, "unavailable", "UNAVAILABLE")),
    ] {
        for (write, (http, slug, code)) in [(false, read), (true, outcome_unknown)] {
            let rendered = render(from_transport_failure(failure, write)).await;
            assert_eq!(
                (rendered.status.as_u16(), &rendered.body["code"]),
                (http, &json!(code)),
                "{failure:?}"
            );
            assert_eq!(rendered.body["type"], json!(format!("/problems/{slug}")));
            assert_eq!(rendered.body.get("domain").and_then(Value::as_str), write.then_some("gateway"));
            assert_eq!(rendered.header("retry-after"), (http == 504).then_some("1"), "{slug}");
        }
    }
}

#[tokio::test]
async fn a_call_that_never_ran_is_not_started_for_reads_and_writes() {
    for write in [false, true] {
        let rendered = render(from_transport_failure(Failure::NeverRan, write)).await;
        assert_eq!((rendered.status.as_u16(), rendered.header("retry-after")), (503, Some("1")));
        assert_eq!(
            (&rendered.body["reason"], &rendered.body["domain"]),
            (&json!("NOT_STARTED"), &json!("gateway"))
        );
    }
}

#[tokio::test]
async fn a_refused_connection_is_not_started_and_its_address_is_not_shown() {
    let address = free_address().await;
    let channel = Channel::builder(address.to_string().parse().unwrap()).build().unwrap();
    let request = GetOrderRequest { order_id: 7, ..Default::default() };
    let status = OrderClient::new(channel).get(request).await.unwrap_err();
    let rendered =
        render(from_status(&status, &RequestFacts { order_id: Some(7), ..RequestFacts::default() })).await;
    assert_eq!((rendered.status.as_u16(), &rendered.body["reason"]), (503, &json!("NOT_STARTED")));
    assert_eq!(rendered.body["order_id"], json!(7));
    for private in ["connect", "tcp", "127.0.0.1", &address.port().to_string()] {
        assert!(!rendered.text.contains(private), "{}", rendered.text);
    }
}

#[tokio::test]
async fn nothing_of_a_transport_status_is_shown() {
    for code in super::CODES {
        let mut status = super::status(code, "canary", &[super::bad_request(&[("canary", "canary", "")])]);
        status.metadata_mut().remove(super::ANSWERED);
        status.set_source(Arc::new(std::io::Error::other("canary")));
        assert_eq!(Failure::of(&status), Failure::ConnectionLost);
        let rendered = render(from_status(&status, &RequestFacts::default())).await;
        assert_eq!((rendered.status.as_u16(), &rendered.body["code"]), (503, &json!("UNAVAILABLE")));
        assert!(!rendered.text.contains("canary"), "{}", rendered.text);
    }
    let undecodable = Status::new(Code::Internal, "canary");
    assert_eq!(render(from_status(&undecodable, &RequestFacts::default())).await.status.as_u16(), 502);
}

/// An address without a listener.
async fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}
