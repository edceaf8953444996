//! Oversized bodies from clients that send the whole body before they read a byte.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::{
    BODY_BYTES_MAX, EXAMPLE, PIECE_BYTES, RawConnection, assert_still_serving, padded, post, post_head,
    start, too_large,
};
use crate::support::Client;

/// The number of clients, and how many run at once: a loaded machine must be able to discard their
/// bodies within the time limit.
const CLIENTS: usize = 40;
const AT_ONCE: usize = 10;
/// More than the socket buffers hold, and less than the gateway discards.
const LARGE_BYTES: usize = 8_000_000;
/// How long the gateway discards the rest of a rejected body, and the tolerance for a loaded
/// machine.
const DISCARD_MAX: Duration = Duration::from_secs(2);
const SLACK: Duration = Duration::from_secs(5);

/// How a request declares the length of its body.
#[derive(Clone, Copy)]
enum Framing {
    Length,
    Chunks,
}

/// Sends a request head and a body of `bytes` bytes until the gateway closes the connection;
/// returns the number of bytes sent.
async fn send(connection: &mut RawConnection, framing: Framing, bytes: usize) -> usize {
    let (head, piece) = match framing {
        Framing::Length => (format!("Content-Length: {bytes}\r\n"), vec![b' '; PIECE_BYTES]),
        Framing::Chunks => {
            let piece = [format!("{PIECE_BYTES:x}\r\n").as_bytes(), &[b' '; PIECE_BYTES], b"\r\n"].concat();
            ("Transfer-Encoding: chunked\r\n".to_owned(), piece)
        }
    };
    connection.send(post_head(&head)).await.unwrap();
    let mut sent = 0;
    while sent < bytes {
        let length = PIECE_BYTES.min(bytes - sent);
        let piece = if matches!(framing, Framing::Length) { &piece[..length] } else { &piece[..] };
        if connection.send(piece).await.is_err() {
            return sent;
        }
        sent += length;
    }
    if matches!(framing, Framing::Chunks) {
        // Fails only if the gateway has closed the connection.
        let _ = connection.send("0\r\n\r\n").await;
    }
    sent
}

#[tokio::test(flavor = "multi_thread")]
async fn oversized_bodies_sent_in_full_get_413_and_a_closed_connection() {
    let (_system, client, gateway) = start().await;
    let mut finished = 0;
    while finished < CLIENTS {
        let framing = if finished < CLIENTS / 2 { Framing::Length } else { Framing::Chunks };
        let mut clients = JoinSet::new();
        for _ in 0..AT_ONCE {
            clients.spawn(async move {
                let mut connection = RawConnection::open(gateway).await;
                assert_eq!(send(&mut connection, framing, LARGE_BYTES).await, LARGE_BYTES);
                let response = connection.read_order_response().await;
                too_large(&response);
                assert_eq!(response.header("connection"), "close");
                assert!(connection.is_closed().await);
            });
        }
        finished += clients.join_all().await.len();
    }
    assert_still_serving(&client).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn oversized_http2_body_gets_413_and_the_connection_stays_usable() {
    let (system, _, _) = start().await;
    let client = Client::over_http2(system.gateway_url());
    for _ in 0..3 {
        too_large(&client.post(" ".repeat(LARGE_BYTES)).await);
    }
    assert_still_serving(&client).await;
}

#[tokio::test]
async fn body_one_byte_over_the_limit_gets_413_and_a_closed_connection() {
    let (_system, client, gateway) = start().await;
    let mut connection = RawConnection::open(gateway).await;
    connection.send(post("", &padded(BODY_BYTES_MAX + 1))).await.unwrap();
    let response = connection.read_order_response().await;
    too_large(&response);
    assert_eq!(response.header("connection"), "close");
    assert!(connection.is_closed().await);
    assert_still_serving(&client).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn endless_body_is_cut_off_within_bytes_and_time() {
    const ENDLESS_BYTES: usize = 1 << 30;
    // The bytes that the gateway discards plus those in socket buffers.
    const TAKEN_BYTES_MAX: usize = 64 * 1024 * 1024;
    let (_system, client, gateway) = start().await;
    for framing in [Framing::Length, Framing::Chunks] {
        let (mut connection, began) = (RawConnection::open(gateway).await, Instant::now());
        let taken = send(&mut connection, framing, ENDLESS_BYTES).await;
        assert!(taken < TAKEN_BYTES_MAX, "{taken}");
        assert!(began.elapsed() < DISCARD_MAX + SLACK, "{:?}", began.elapsed());
    }
    assert_still_serving(&client).await;
}

#[tokio::test]
async fn stalled_oversized_body_gets_413_and_a_closed_connection() {
    let (_system, client, gateway) = start().await;
    let (mut connection, began) = (RawConnection::open(gateway).await, Instant::now());
    connection
        .send(post_head(&format!("Content-Length: {LARGE_BYTES}\r\n")) + &padded(100_000))
        .await
        .unwrap();
    too_large(&connection.read_order_response().await);
    assert!(connection.is_closed().await);
    assert!(began.elapsed() < DISCARD_MAX + SLACK, "{:?}", began.elapsed());
    assert_still_serving(&client).await;
}

#[tokio::test]
async fn expect_continue_gets_413_before_the_body() {
    let (_system, client, gateway) = start().await;
    let (mut connection, began) = (RawConnection::open(gateway).await, Instant::now());
    let expect = format!("Expect: 100-continue\r\nContent-Length: {LARGE_BYTES}\r\n");
    connection.send(post_head(&expect)).await.unwrap();
    // The first status line is that of the final response: the gateway sent no 100.
    let response = connection.read_order_response().await;
    too_large(&response);
    assert_eq!(response.header("connection"), "close");
    assert!(connection.is_closed().await);
    assert!(began.elapsed() < DISCARD_MAX, "{:?}", began.elapsed());
    assert_still_serving(&client).await;
}

#[tokio::test]
async fn expect_continue_gets_100_for_a_body_within_the_limit() {
    let (_system, _client, gateway) = start().await;
    let mut connection = RawConnection::open(gateway).await;
    let expect = format!("Expect: 100-continue\r\nContent-Length: {}\r\n", EXAMPLE.len());
    connection.send(post_head(&expect)).await.unwrap();
    let interim = connection.read_unchecked().await.unwrap().unwrap();
    assert_eq!((interim.status.as_u16(), interim.headers.len()), (100, 0));
    connection.send(EXAMPLE).await.unwrap();
    assert_eq!(connection.read_order_response().await.status, 201);
}

#[tokio::test]
async fn oversized_body_is_discarded_after_406_and_415() {
    let (_system, client, gateway) = start().await;
    for (further, status) in [("Accept: text/html\r\n", 406), ("Content-Encoding: gzip\r\n", 415)] {
        let mut connection = RawConnection::open(gateway).await;
        connection.send(post(further, &" ".repeat(LARGE_BYTES))).await.unwrap();
        assert_eq!(connection.read_order_response().await.status, status);
    }
    assert_still_serving(&client).await;
}
