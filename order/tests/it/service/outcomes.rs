//! Every outcome of a charge, with the complete status that the client receives.

use std::{collections::HashMap, time::Duration};

use proto::order::{CreateOrderRequest, OrderStatus};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use super::{
    RunningOrder, TIMEOUT, metadata, not_charged, order_id,
    orders::{create, create_within, item, keyed, money, request},
    outcome_unknown,
    payment::Reply,
    start,
    status_fixture::StatusFixture,
    status_of,
};

/// A failure from Payment with details.
pub(crate) fn failure(code: Code, message: &str, domain: &str, reason: &str, violations: &[&str]) -> Reply {
    let metadata = HashMap::from([("decline_reason".to_owned(), "INSUFFICIENT_BALANCE".to_owned())]);
    let mut details = ErrorDetails::with_error_info(reason, domain, metadata);
    if !violations.is_empty() {
        let violations = violations.iter().map(|text| FieldViolation::new("total", *text));
        details.set_bad_request(violations.collect::<Vec<_>>());
    }
    Reply::Fails(Status::with_error_details(code, message, details))
}

fn declined() -> Reply {
    let message = "failed to charge user: 123";
    failure(Code::InvalidArgument, message, "payment", "DECLINED", &["insufficient balance"])
}

#[tokio::test]
async fn charged_order_is_ok_and_paid() {
    let (client, payment, _order) = start().await;
    let response = create(&client, request()).await.unwrap();
    assert!(response.order_id > 0 && response.order_id < 1 << 53);
    assert_eq!(response.status(), OrderStatus::Paid);
    assert_eq!(response.total, Some(money("USD", 0, 120_000_000)));
    assert!(response.create_time.unwrap().seconds > 1_700_000_000);
    assert!(!response.replayed);
    let [(charge, metadata)] = payment.calls().try_into().unwrap();
    assert_eq!((charge.user_id, charge.order_id), (123, response.order_id));
    assert_eq!((charge.total, charge.total_price), (response.total, 0.12));
    for header in ["grpc-timeout", "traceparent", "x-request-id"] {
        assert!(metadata.contains_key(header), "{header}");
    }
}

#[tokio::test]
async fn total_is_exact_in_every_currency() {
    let (client, payment, _order) = start().await;
    let mut order = CreateOrderRequest { currency_code: "JPY".to_owned(), ..request() };
    order.order_items = vec![item("a", 12.0, 3), item("b", 0.0, 1_000_000)];
    assert_eq!(create(&client, order).await.unwrap().total, Some(money("JPY", 36, 0)));
    let mut order = request();
    order.order_items[0].price = Some(money("KWD", 9_007_199_254_740, 991_000_000));
    let largest = create(&client, order).await.unwrap().total;
    assert_eq!(largest, Some(money("KWD", 9_007_199_254_740, 991_000_000)));
    assert_eq!(payment.calls()[1].0.total, largest);
}

#[tokio::test]
async fn decline_has_the_status_of_the_old_contract_and_its_replay_is_marked() {
    let (client, payment, _order) = start().await;
    payment.next([declined()]);
    let status = create(&client, keyed("k")).await.unwrap_err();
    let id = order_id(&status);
    let expected = StatusFixture {
        metadata: metadata([("order_id", &id.to_string()), ("decline_reason", "INSUFFICIENT_BALANCE")]),
        payment: vec!["insufficient balance".to_owned()],
        ..StatusFixture::of_order(Code::InvalidArgument, "order creation failed", "PAYMENT_DECLINED", id)
    };
    assert_eq!(StatusFixture::from_status(&status), expected);
    let mut replay = StatusFixture::from_status(&create(&client, keyed("k")).await.unwrap_err());
    assert_eq!(replay.metadata.remove("replayed").as_deref(), Some("true"));
    assert_eq!(replay, expected);
    assert_eq!(payment.calls().len(), 1);
    let order =
        client.clone().get(super::GetOrderRequest { order_id: id, user_id: 0 }).await.unwrap().into_inner();
    assert_eq!(
        (order.status(), order.decline_reason.as_str()),
        (OrderStatus::Declined, "INSUFFICIENT_BALANCE")
    );
}

#[tokio::test]
async fn decline_is_described_by_every_violation_or_else_by_its_message() {
    let (client, payment, _order) = start().await;
    let longest = "😀".repeat(2000);
    let decline =
        |violations: &[&str]| failure(Code::InvalidArgument, "no money", "payment", "DECLINED", violations);
    payment.next([decline(&["one", "two\nlines", ""]), decline(&[]), decline(&[&longest])]);
    for description in ["one\ntwo\nlines\n", "no money", &"😀".repeat(1000)] {
        let status = create(&client, request()).await.unwrap_err();
        assert_eq!(StatusFixture::from_status(&status).payment, [description]);
        assert_eq!(status_of(&client, order_id(&status)).await, OrderStatus::Declined);
    }
}

#[tokio::test]
async fn tombstone_voids_the_order() {
    let (client, payment, _order) = start().await;
    payment.next([failure(Code::FailedPrecondition, "voided", "payment", "VOIDED", &[])]);
    for _ in 0..2 {
        let status = create(&client, keyed("k")).await.unwrap_err();
        let id = order_id(&status);
        let sentence = "the order was given up before the customer was charged; use a new key";
        let expected = StatusFixture {
            payment: vec![sentence.to_owned()],
            ..StatusFixture::of_order(Code::FailedPrecondition, "the order was given up", "ORDER_VOIDED", id)
        };
        assert_eq!(StatusFixture::from_status(&status), expected);
        assert_eq!(status_of(&client, id).await, OrderStatus::Voided);
    }
    assert_eq!(payment.calls().len(), 1);
}

#[tokio::test]
async fn not_started_at_payment_is_not_charged_and_can_be_retried() {
    let (client, payment, _order) = start().await;
    let not_started = |code| failure(code, "draining", "payment", "NOT_STARTED", &[]);
    payment.next([not_started(Code::Unavailable), not_started(Code::ResourceExhausted)]);
    let mut ids = Vec::new();
    for _ in 0..2 {
        let status = create(&client, keyed("k")).await.unwrap_err();
        ids.push(order_id(&status));
        assert_eq!(StatusFixture::from_status(&status), not_charged(ids[0]));
        assert_eq!(status_of(&client, ids[0]).await, OrderStatus::NotCharged);
    }
    let response = create(&client, keyed("k")).await.unwrap();
    assert_eq!((response.order_id, response.status(), response.replayed), (ids[0], OrderStatus::Paid, false));
    let replay = create(&client, keyed("k")).await.unwrap();
    assert_eq!((replay.order_id, replay.status(), replay.replayed), (ids[0], OrderStatus::Paid, true));
    assert_eq!((replay.total, replay.create_time), (response.total, response.create_time));
    assert_eq!(payment.calls().len(), 3);
}

#[tokio::test]
async fn any_other_response_of_payment_is_outcome_unknown() {
    let (client, payment, service) = start().await;
    let replies = [
        Reply::WithoutId,
        failure(Code::FailedPrecondition, "mismatch", "payment", "MISMATCH", &[]),
        failure(Code::InvalidArgument, "declined", "elsewhere", "DECLINED", &["insufficient balance"]),
        failure(Code::Unavailable, "overload", "proxy.example", "NOT_STARTED", &[]),
        failure(Code::NotFound, "?", "payment", "UNHEARD_OF", &[]),
        Reply::Fails(Status::invalid_argument("failed to charge user: 123")),
        Reply::Fails(Status::unavailable("tcp connect error")),
        Reply::Fails(Status::cancelled("operation was canceled")),
        Reply::Fails(Status::deadline_exceeded("deadline")),
        Reply::Fails(Status::internal("internal error")),
        Reply::Fails(Status::unimplemented("")),
        Reply::Fails(Status::with_details(Code::InvalidArgument, "broken", b"no proto".as_slice().into())),
    ];
    payment.next(replies.clone());
    for reply in replies {
        let status = create(&client, request()).await.unwrap_err();
        let id = order_id(&status);
        assert_eq!(StatusFixture::from_status(&status), outcome_unknown(id), "{reply:?}");
        assert_eq!(status_of(&client, id).await, OrderStatus::Pending);
    }
    let metrics = metrics(&service).await;
    assert!(metrics.contains("\norder_payment_mismatches_total 1\n"), "{metrics}");
}

/// The response of `/metrics`.
async fn metrics(service: &RunningOrder) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut socket = tokio::net::TcpStream::connect(service.admin).await.unwrap();
    socket.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").await.unwrap();
    let mut text = String::new();
    socket.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn key_of_another_request_is_rejected() {
    let (client, payment, _order) = start().await;
    let first = create(&client, keyed("k")).await.unwrap();
    let other = CreateOrderRequest { order_items: vec![item("sku1", 0.13, 1)], ..keyed("k") };
    let status = StatusFixture::from_status(&create(&client, other).await.unwrap_err());
    let message = "the key belongs to another request";
    let expected =
        StatusFixture::of_order(Code::FailedPrecondition, message, "IDEMPOTENCY_KEY_REUSED", first.order_id);
    assert_eq!(status, expected);
    // The same request in another spelling is a replay.
    let mut spelled = CreateOrderRequest { currency_code: "USD".to_owned(), ..keyed("k") };
    spelled.order_items[0].price = Some(money("USD", 0, 120_000_000));
    assert!(create(&client, spelled).await.unwrap().replayed);
    let theirs = CreateOrderRequest { user_id: 124, ..keyed("k") };
    assert!(!create(&client, theirs).await.unwrap().replayed);
    assert_eq!(payment.calls().len(), 2);
}

#[tokio::test]
async fn retry_of_an_order_in_progress_waits_and_returns_in_time() {
    let (client, payment, _order) = start().await;
    let charge = payment.hold();
    let first = tokio::spawn({
        let client = client.clone();
        async move { create(&client, keyed("k")).await }
    });
    payment.called(1).await;
    let timeout = Duration::from_millis(800);
    let status = create_within(&client, keyed("k"), timeout).await.unwrap_err();
    let status = StatusFixture::from_status(&status);
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { create_within(&client, keyed("k"), TIMEOUT).await }
    });
    charge.add_permits(1);
    let (first, waited) = (first.await.unwrap().unwrap(), waiting.await.unwrap().unwrap());
    let message = "the first request with this key is still being worked on";
    let expected = StatusFixture {
        retry_after: Some(Duration::from_secs(1)),
        ..StatusFixture::of_order(Code::Aborted, message, "IDEMPOTENCY_IN_PROGRESS", first.order_id)
    };
    assert_eq!(status, expected);
    assert_eq!((waited.order_id, waited.replayed, first.replayed), (first.order_id, true, false));
    assert_eq!(payment.calls().len(), 1);
}
