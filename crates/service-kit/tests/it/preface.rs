//! Connections whose clients do not begin HTTP/2.

use std::time::Duration;

use service_kit::grpc::HANDSHAKE_MAX;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};

use crate::serving::{Handler, Serving, soon};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// SETTINGS with one setting, SETTINGS_ENABLE_PUSH 0.
const SETTINGS: &[u8] = b"\0\0\x06\x04\0\0\0\0\0\0\x02\0\0\0\0";

async fn connected(serving: &Serving, bytes: &[&[u8]]) -> TcpStream {
    let mut stream = TcpStream::connect(serving.address).await.unwrap();
    stream.write_all(&bytes.concat()).await.unwrap();
    stream
}

#[tokio::test]
async fn a_connection_without_preface_and_settings_is_closed_in_time() {
    let serving = Serving::start(Handler::echo()).await;
    for bytes in [
        &[][..],
        &[&b"P"[..]],
        &[PREFACE],
        &[PREFACE, &SETTINGS[..8]],
        &[PREFACE, &SETTINGS[..SETTINGS.len() - 1]],
    ] {
        let mut silent = connected(&serving, bytes).await;
        tokio::time::pause();
        let started = Instant::now();
        let mut received = Vec::new();
        let _ = soon(silent.read_to_end(&mut received)).await;
        let (took, second) = (started.elapsed(), Duration::from_secs(1));
        tokio::time::resume();
        assert!(took > HANDSHAKE_MAX - second && took < HANDSHAKE_MAX + second, "{bytes:?}: {took:?}");
    }
}

#[tokio::test]
async fn an_idle_connection_with_preface_and_settings_stays_open() {
    let serving = Serving::start(Handler::echo()).await;
    let mut idle = connected(&serving, &[PREFACE, SETTINGS]).await;
    tokio::time::pause();
    let mut received = Vec::new();
    assert!(timeout(2 * HANDSHAKE_MAX, idle.read_to_end(&mut received)).await.is_err(), "{received:?}");
}
