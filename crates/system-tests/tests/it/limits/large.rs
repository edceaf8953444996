//! Bodies that are far too large, from clients that send all of them before they read a byte.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::{BODY_BYTES_MAX, EXAMPLE, PIECE_BYTES, Raw, goes_on, padded, post, post_head, start, too_large};
use crate::support::Client;

/// How many clients there are, and how many of them at once: a busy machine, too, must discard what all of
/// these send in less time than the bound.
const CLIENTS: usize = 40;
const AT_ONCE: usize = 10;
/// More than sockets hold, and no more than is discarded.
const LARGE_BYTES: usize = 8_000_000;
/// How long what follows a refusal is discarded, and what a busy machine may add to it.
const DISCARD_MAX: Duration = Duration::from_secs(2);
const SLACK: Duration = Duration::from_secs(5);

/// How the length of a body is told.
#[derive(Clone, Copy)]
enum Framing {
    Length,
    Chunks,
}

/// Sends the head of a request whose body is `bytes` long, and then the body, until the other side has enough
/// of it; returns how many bytes were taken.
async fn send(connection: &mut Raw, framing: Framing, bytes: usize) -> usize {
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
        // Refused only where the other side has had enough already.
        let _ = connection.send("0\r\n\r\n").await;
    }
    sent
}

#[tokio::test(flavor = "multi_thread")]
async fn every_client_that_sends_8_mb_first_reads_why_it_was_refused() {
    let (_stack, client, gateway) = start().await;
    let mut answered = 0;
    while answered < CLIENTS {
        let framing = if answered < CLIENTS / 2 { Framing::Length } else { Framing::Chunks };
        let mut clients = JoinSet::new();
        for _ in 0..AT_ONCE {
            clients.spawn(async move {
                let mut connection = Raw::open(gateway).await;
                assert_eq!(send(&mut connection, framing, LARGE_BYTES).await, LARGE_BYTES);
                let answer = connection.placed().await;
                too_large(&answer);
                assert_eq!(answer.header("connection"), "close");
                assert!(connection.ends().await);
            });
        }
        answered += clients.join_all().await.len();
    }
    goes_on(&client).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_body_over_http_2_is_refused_and_its_connection_goes_on() {
    let (system, _, _) = start().await;
    let client = Client::over_http2(system.gateway_url());
    for _ in 0..3 {
        too_large(&client.post(" ".repeat(LARGE_BYTES)).await);
    }
    goes_on(&client).await;
}

#[tokio::test]
async fn a_body_just_too_large_closes_the_connection_after_the_answer() {
    let (_stack, client, gateway) = start().await;
    let mut connection = Raw::open(gateway).await;
    connection.send(post("", &padded(BODY_BYTES_MAX + 1))).await.unwrap();
    let answer = connection.placed().await;
    too_large(&answer);
    assert_eq!(answer.header("connection"), "close");
    assert!(connection.ends().await);
    goes_on(&client).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_sends_without_end_is_cut_off() {
    const ENDLESS_BYTES: usize = 1 << 30;
    // What is discarded, and what the sockets between hold.
    const TAKEN_BYTES_MAX: usize = 64 * 1024 * 1024;
    let (_stack, client, gateway) = start().await;
    for framing in [Framing::Length, Framing::Chunks] {
        let (mut connection, began) = (Raw::open(gateway).await, Instant::now());
        let taken = send(&mut connection, framing, ENDLESS_BYTES).await;
        assert!(taken < TAKEN_BYTES_MAX, "{taken}");
        assert!(began.elapsed() < DISCARD_MAX + SLACK, "{:?}", began.elapsed());
    }
    goes_on(&client).await;
}

#[tokio::test]
async fn a_client_that_falls_silent_is_answered_and_cut_off() {
    let (_stack, client, gateway) = start().await;
    let (mut connection, began) = (Raw::open(gateway).await, Instant::now());
    connection
        .send(post_head(&format!("Content-Length: {LARGE_BYTES}\r\n")) + &padded(100_000))
        .await
        .unwrap();
    too_large(&connection.placed().await);
    assert!(connection.ends().await);
    assert!(began.elapsed() < DISCARD_MAX + SLACK, "{:?}", began.elapsed());
    goes_on(&client).await;
}

#[tokio::test]
async fn a_client_that_asks_first_is_refused_before_it_sends() {
    let (_stack, client, gateway) = start().await;
    let (mut connection, began) = (Raw::open(gateway).await, Instant::now());
    let expect = format!("Expect: 100-continue\r\nContent-Length: {LARGE_BYTES}\r\n");
    connection.send(post_head(&expect)).await.unwrap();
    // The first status line is the answer's: no 100 came before it.
    let answer = connection.placed().await;
    too_large(&answer);
    assert_eq!(answer.header("connection"), "close");
    assert!(connection.ends().await);
    assert!(began.elapsed() < DISCARD_MAX, "{:?}", began.elapsed());
    goes_on(&client).await;
}

#[tokio::test]
async fn a_client_that_asks_first_may_send_what_fits() {
    let (_stack, _client, gateway) = start().await;
    let mut connection = Raw::open(gateway).await;
    let expect = format!("Expect: 100-continue\r\nContent-Length: {}\r\n", EXAMPLE.len());
    connection.send(post_head(&expect)).await.unwrap();
    let interim = connection.unchecked().await.unwrap().unwrap();
    assert_eq!((interim.status.as_u16(), interim.headers.len()), (100, 0));
    connection.send(EXAMPLE).await.unwrap();
    assert_eq!(connection.placed().await.status, 201);
}

#[tokio::test]
async fn a_large_body_for_another_reason_of_refusal_is_read_past() {
    let (_stack, client, gateway) = start().await;
    for (further, status) in [("Accept: text/html\r\n", 406), ("Content-Encoding: gzip\r\n", 415)] {
        let mut connection = Raw::open(gateway).await;
        connection.send(post(further, &" ".repeat(LARGE_BYTES))).await.unwrap();
        assert_eq!(connection.placed().await.status, status);
    }
    goes_on(&client).await;
}
