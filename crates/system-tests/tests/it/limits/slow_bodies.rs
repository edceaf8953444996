//! Request bodies that arrive too slowly or are truncated.

use std::time::{Duration, Instant};

use all_in_one::Options;
use tokio::task::JoinSet;

use super::{EXAMPLE, RawConnection, assert_still_serving, post_head, start, start_with};

/// The request timeout in these tests; it also bounds the time for reading a body.
const DEADLINE: Duration = Duration::from_secs(2);
/// Tolerance for a loaded machine.
const SLACK: Duration = Duration::from_secs(5);

fn options() -> Options {
    Options::default().var("REQUEST_TIMEOUT_MS", DEADLINE.as_millis())
}

#[tokio::test]
async fn missing_body_gets_408_at_the_deadline() {
    let (_system, client, gateway) = start_with(options()).await;
    let mut clients = JoinSet::new();
    for head in ["Content-Length: 1000\r\n", "Transfer-Encoding: chunked\r\n"] {
        clients.spawn(async move {
            let (mut connection, began) = (RawConnection::open(gateway).await, Instant::now());
            connection.send(post_head(head)).await.unwrap();
            let response = connection.read_order_response().await;
            assert_eq!((response.status.as_u16(), response.header("connection")), (408, "close"));
            let problem = response.problem();
            assert_eq!(problem["code"], "DEADLINE_EXCEEDED");
            assert_eq!(problem["retryable"], true);
            assert!(connection.is_closed().await);
            assert!((DEADLINE..DEADLINE + SLACK).contains(&began.elapsed()), "{:?}", began.elapsed());
        });
    }
    clients.join_all().await;
    assert_still_serving(&client).await;
}

#[tokio::test]
async fn trickling_body_gets_408_at_the_deadline() {
    let (_system, client, gateway) = start_with(options()).await;
    let (mut connection, began) = (RawConnection::open(gateway).await, Instant::now());
    connection.send(post_head("Content-Length: 10000\r\n")).await.unwrap();
    let mut trickle = tokio::time::interval(Duration::from_millis(50));
    // A client that writes while the connection closes may miss the response.
    while began.elapsed() < DEADLINE - Duration::from_millis(300) {
        trickle.tick().await;
        connection.send(" ").await.unwrap();
    }
    assert_eq!(connection.read_order_response().await.status, 408);
    assert!(began.elapsed() < DEADLINE + SLACK, "{:?}", began.elapsed());
    assert_still_serving(&client).await;
}

#[tokio::test]
async fn truncated_body_creates_no_order() {
    let (_system, client, gateway) = start().await;
    for framing in ["Content-Length: 1000\r\n", "Transfer-Encoding: chunked\r\n"] {
        let mut connection = RawConnection::open(gateway).await;
        let begun = if framing.starts_with('C') {
            EXAMPLE.to_owned()
        } else {
            format!("{:x}\r\n{EXAMPLE}", EXAMPLE.len())
        };
        connection.send(post_head(framing) + &begun).await.unwrap();
        drop(connection);
    }
    // An invalid chunk size.
    let mut connection = RawConnection::open(gateway).await;
    connection.send(post_head("Transfer-Encoding: chunked\r\n") + "xyz\r\n").await.unwrap();
    assert_eq!(connection.read_order_response().await.status, 400);
    assert_still_serving(&client).await;
}
