//! A shutdown without a request in flight ends in time, also if clients keep their connections open.

use super::*;

/// Limit of a stop without a request in flight.
const STOP_MAX: Duration = Duration::from_secs(3);

/// The client's HTTP/2 preface and its SETTINGS, without ACK.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// The same with SETTINGS_INITIAL_WINDOW_SIZE 0: no response may send data.
const PREFACE_ZERO_WINDOW: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\0\0";
/// HEADERS of `GET /` on stream 1, with END_STREAM and END_HEADERS: `:method`, `:scheme`, `:path`,
/// `:authority`.
const GET: &[u8] = b"\0\0\x06\x01\x05\0\0\0\x01\x82\x86\x84\x01\x01a";

impl Running {
    async fn send(&self, bytes: &[&[u8]]) -> TcpStream {
        let mut stream = self.connect().await;
        stream.write_all(&bytes.concat()).await.unwrap();
        stream
    }

    /// Stops the server, which must close `connections`.
    async fn stops_in_time(self, connections: impl IntoIterator<Item = TcpStream>) {
        self.shutdown.cancel();
        timeout(STOP_MAX, self.serving).await.unwrap().unwrap();
        for mut connection in connections {
            let _ = timeout(STOP_MAX, connection.read_to_end(&mut Vec::new())).await.unwrap();
        }
    }
}

#[tokio::test]
async fn http_2_clients_that_read_nothing_do_not_delay_a_shutdown() {
    let (router, entered, release) = blocking_router();
    release.add_permits(2);
    let running = Running::start(router).await;
    let without_request = running.send(&[PREFACE]).await;
    let idle = running.send(&[PREFACE, GET]).await;
    let unread = running.send(&[PREFACE_ZERO_WINDOW, GET]).await;
    drop(entered.acquire_many(2).await);
    running.stops_in_time([without_request, idle, unread]).await;
}

#[tokio::test]
async fn a_client_that_reads_slowly_receives_its_whole_response_during_a_shutdown() {
    const BYTES: usize = 8 * 1024 * 1024;
    let running = Running::start(Router::new().route("/", get(async || vec![b'x'; BYTES]))).await;
    let mut stream = running.send(&[b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"]).await;
    let mut read = stream.read(&mut [0; 1024]).await.unwrap();
    running.shutdown.cancel();
    let mut chunk = vec![0; BYTES / 8];
    loop {
        match stream.read(&mut chunk).await.unwrap() {
            0 => break,
            bytes => read += bytes,
        }
        sleep(limits::CLOSE_LINGER / 10).await;
    }
    assert!(read > BYTES, "{read}");
    running.stop().await;
}

#[tokio::test]
async fn a_request_in_flight_of_a_client_that_reads_nothing_is_completed() {
    let (router, entered, release) = blocking_router();
    let running = Running::start(router).await;
    let frozen = running.send(&[PREFACE, GET]).await;
    drop(entered.acquire().await);
    running.shutdown.cancel();
    let mut serving = running.serving;
    assert!(timeout(3 * limits::CLOSE_LINGER, &mut serving).await.is_err());
    release.add_permits(1);
    timeout(STOP_MAX, serving).await.unwrap().unwrap();
    drop(frozen);
}
