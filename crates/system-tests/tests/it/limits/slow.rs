//! Bodies that come too slowly, or break off.

use std::time::{Duration, Instant};

use all_in_one::Options;
use tokio::task::JoinSet;

use super::{EXAMPLE, Raw, goes_on, post_head, start, start_with};

/// The deadline of a request here: a body is waited for no longer.
const DEADLINE: Duration = Duration::from_secs(2);
/// What a busy machine may add to it.
const SLACK: Duration = Duration::from_secs(5);

fn options() -> Options {
    Options::default().var("REQUEST_TIMEOUT_MS", DEADLINE.as_millis())
}

#[tokio::test]
async fn a_body_that_does_not_come_is_waited_for_no_longer_than_the_deadline() {
    let (_stack, client, gateway) = start_with(options()).await;
    let mut clients = JoinSet::new();
    for head in ["Content-Length: 1000\r\n", "Transfer-Encoding: chunked\r\n"] {
        clients.spawn(async move {
            let (mut connection, began) = (Raw::open(gateway).await, Instant::now());
            connection.send(post_head(head)).await.unwrap();
            let answer = connection.placed().await;
            assert_eq!((answer.status.as_u16(), answer.header("connection")), (408, "close"));
            let problem = answer.problem();
            assert_eq!(problem["code"], "DEADLINE_EXCEEDED");
            assert_eq!(problem["retryable"], true);
            assert!(connection.ends().await);
            assert!((DEADLINE..DEADLINE + SLACK).contains(&began.elapsed()), "{:?}", began.elapsed());
        });
    }
    clients.join_all().await;
    goes_on(&client).await;
}

#[tokio::test]
async fn a_body_that_trickles_is_waited_for_no_longer_either() {
    let (_stack, client, gateway) = start_with(options()).await;
    let (mut connection, began) = (Raw::open(gateway).await, Instant::now());
    connection.send(post_head("Content-Length: 10000\r\n")).await.unwrap();
    let mut trickle = tokio::time::interval(Duration::from_millis(50));
    // Whoever still writes when the connection closes may miss the answer.
    while began.elapsed() < DEADLINE - Duration::from_millis(300) {
        trickle.tick().await;
        connection.send(" ").await.unwrap();
    }
    assert_eq!(connection.placed().await.status, 408);
    assert!(began.elapsed() < DEADLINE + SLACK, "{:?}", began.elapsed());
    goes_on(&client).await;
}

#[tokio::test]
async fn a_body_that_breaks_off_places_nothing() {
    let (_stack, client, gateway) = start().await;
    for framing in ["Content-Length: 1000\r\n", "Transfer-Encoding: chunked\r\n"] {
        let mut connection = Raw::open(gateway).await;
        let begun = if framing.starts_with('C') {
            EXAMPLE.to_owned()
        } else {
            format!("{:x}\r\n{EXAMPLE}", EXAMPLE.len())
        };
        connection.send(post_head(framing) + &begun).await.unwrap();
        drop(connection);
    }
    // A chunk that is none.
    let mut connection = Raw::open(gateway).await;
    connection.send(post_head("Transfer-Encoding: chunked\r\n") + "xyz\r\n").await.unwrap();
    assert_eq!(connection.placed().await.status, 400);
    goes_on(&client).await;
}
