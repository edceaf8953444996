//! A server without work in flight stops in time, also if peers keep connections open or read nothing.

use std::time::Duration;

use service_kit::{env::Mode, grpc::CLOSE_LINGER};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::Instant,
};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::{
    drain::held,
    serving::{Handler, Serving, Starting, eventually},
    tls::TlsFiles,
};

/// Limit of a stop without work in flight.
const STOP_MAX: Duration = Duration::from_secs(3);

/// The client's connection preface and its SETTINGS, without ACK and without reading anything.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// As [`PREFACE`], with SETTINGS_INITIAL_WINDOW_SIZE 0: no response may send data.
const PREFACE_ZERO_WINDOW: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\0\0";
/// A message of `Order/Get`: `order_id` 1.
const GET_ORDER_1: &[u8] = &[0, 0, 0, 0, 2, 8, 1];
const END_HEADERS: u8 = 4;
const END_STREAM: u8 = 1;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The HEADERS frame of a call of `Order/Get`, without Huffman coding.
fn call_headers() -> Vec<u8> {
    let mut block = vec![0x83, 0x86];
    for (name, value) in [(&[0x04][..], "/Order/Get"), (&[0x01], "a"), (&[0x0f, 0x10], "application/grpc")] {
        block.extend(name);
        block.push(u8::try_from(value.len()).unwrap());
        block.extend(value.as_bytes());
    }
    frame(1, END_HEADERS, 1, &block)
}

async fn connected(serving: &Serving, bytes: &[&[u8]]) -> TcpStream {
    let mut stream = TcpStream::connect(serving.address).await.unwrap();
    stream.write_all(&bytes.concat()).await.unwrap();
    stream
}

/// Stops the server, which must end within [`STOP_MAX`] and close `connections`.
async fn stops_in_time(serving: Serving, connections: Vec<TcpStream>) {
    let started = Instant::now();
    serving.shutdown.cancel();
    tokio::time::timeout(STOP_MAX, serving.served).await.unwrap().unwrap().unwrap();
    assert!(started.elapsed() < STOP_MAX);
    for mut connection in connections {
        // Reads what the server has sent, up to its end or a reset.
        let _ = tokio::time::timeout(STOP_MAX, connection.read_to_end(&mut Vec::new())).await.unwrap();
    }
}

#[tokio::test]
async fn silent_peers_do_not_delay_shutdown() {
    let serving = Serving::start(Handler::echo()).await;
    let connections = vec![
        connected(&serving, &[]).await,
        connected(&serving, &[b"PRI"]).await,
        connected(&serving, &[PREFACE]).await,
        connected(&serving, &[PREFACE, &frame(1, 0, 1, &[0x83])]).await,
    ];
    stops_in_time(serving, connections).await;
}

/// The handler waits for the rest of the message, which is no work.
#[tokio::test]
async fn an_incomplete_request_does_not_delay_shutdown() {
    let serving = Serving::start(Handler::echo()).await;
    let half = connected(&serving, &[PREFACE, &call_headers(), &frame(0, 0, 1, &[0, 0, 0])]).await;
    eventually("the call is in flight", async || serving.metric("grpc_server_in_flight").await == 1).await;
    stops_in_time(serving, vec![half]).await;
}

#[tokio::test]
async fn a_response_that_its_peer_does_not_read_does_not_delay_shutdown() {
    let serving = Serving::start(Handler::echo()).await;
    let call = [PREFACE_ZERO_WINDOW, &call_headers(), &frame(0, END_STREAM, 1, GET_ORDER_1)];
    let unread = connected(&serving, &call).await;
    let ended = "grpc_server_call_duration_seconds_count{grpc_method=\"Order/Get\",grpc_status=\"OK\"}";
    eventually("the call has ended", async || serving.metric(ended).await == 1).await;
    stops_in_time(serving, vec![unread]).await;
}

/// Such a peer keeps its connection busy.
#[tokio::test]
async fn a_peer_that_sends_pings_without_end_does_not_delay_shutdown() {
    let serving = Serving::start(Handler::echo()).await;
    let connection = connected(&serving, &[PREFACE]).await;
    let (mut reader, mut writer) = connection.into_split();
    let ping = frame(6, 0, 0, &[7; 8]);
    let pinging = tokio::spawn(async move {
        let mut answers = [0; 4096];
        while writer.write_all(&ping).await.is_ok() {
            // Reads SETTINGS and answers, and acknowledges no PING of the server.
            if !reader.read(&mut answers).await.is_ok_and(|read| read > 0) {
                return;
            }
        }
    });
    stops_in_time(serving, Vec::new()).await;
    tokio::time::timeout(STOP_MAX, pinging).await.unwrap().unwrap();
}

#[tokio::test]
async fn thousands_of_health_watches_do_not_delay_shutdown() {
    let serving = Serving::start(Handler::echo()).await;
    let mut watches = Vec::new();
    for _ in 0..4 {
        let mut client = HealthClient::new(serving.connect().await);
        for _ in 0..500 {
            watches.push(client.watch(HealthCheckRequest::default()).await.unwrap().into_inner());
        }
    }
    stops_in_time(serving, Vec::new()).await;
}

#[tokio::test]
async fn half_a_tls_handshake_does_not_delay_shutdown() {
    let serving = TlsFiles::new().serve(Handler::echo()).await;
    // The header of a ClientHello of 512 bytes.
    let half = connected(&serving, &[&[22, 3, 1, 2, 0, 1]]).await;
    let silent = connected(&serving, &[]).await;
    stops_in_time(serving, vec![half, silent]).await;
}

/// A SQLite file on a file system that hangs, for instance.
#[tokio::test]
async fn a_database_that_does_not_close_does_not_delay_shutdown() {
    let starting = Starting::new(Mode::Production, Handler::echo()).await;
    let serving = starting.serve_before(std::future::pending()).await;
    let silent = connected(&serving, &[]).await;
    stops_in_time(serving, vec![silent]).await;
}

/// Work in flight is awaited, also where its caller is frozen.
#[tokio::test]
async fn shutdown_waits_for_a_running_call_of_a_frozen_peer() {
    let (handler, entered, release) = held();
    let mut serving = Serving::start(handler).await;
    let frozen =
        connected(&serving, &[PREFACE, &call_headers(), &frame(0, END_STREAM, 1, GET_ORDER_1)]).await;
    entered.notified().await;
    serving.shutdown.cancel();
    assert!(tokio::time::timeout(2 * CLOSE_LINGER, &mut serving.served).await.is_err());
    release.notify_one();
    stops_in_time(serving, vec![frozen]).await;
}
