//! A peer that writes HTTP/2 frames by hand (RFC 9113), and so can break off, contradict itself and lie.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GO_AWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

const SETTINGS_MAX_CONCURRENT_STREAMS: u16 = 3;

/// Error codes of RFC 9113, section 7.
pub(crate) const NO_ERROR: u32 = 0;
pub(crate) const INTERNAL_ERROR: u32 = 2;
pub(crate) const REFUSED_STREAM: u32 = 7;
pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;
/// The highest stream id: a GOAWAY that spares every stream.
pub(crate) const LAST_ID_MAX: u32 = 0x7fff_ffff;

/// The head of an answer that is gRPC.
pub(crate) const GRPC: &[(&str, &str)] = &[("content-type", "application/grpc")];

/// One accepted connection.
pub(crate) struct Wire(TcpStream);

impl Wire {
    /// A peer that plays `script` on the first connection made to it, and refuses later ones.
    pub(crate) async fn playing<F>(
        script: impl FnOnce(Wire) -> F + Send + 'static,
    ) -> (SocketAddr, JoinHandle<()>)
    where
        F: Future<Output = ()> + Send,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let played = tokio::spawn(async move {
            let wire = Self::accept(&listener, None).await;
            drop(listener);
            script(wire).await;
        });
        (address, played)
    }

    /// Accepts a connection and exchanges prefaces, allowing the client `streams_max` streams at once.
    pub(crate) async fn accept(listener: &TcpListener, streams_max: Option<u32>) -> Self {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut preface = [0; 24];
        stream.read_exact(&mut preface).await.unwrap();
        assert_eq!(&preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        let mut wire = Self(stream);
        let mut settings = Vec::new();
        if let Some(max) = streams_max {
            settings.extend(SETTINGS_MAX_CONCURRENT_STREAMS.to_be_bytes());
            settings.extend(max.to_be_bytes());
        }
        wire.frame(SETTINGS, 0, 0, &settings).await;
        wire
    }

    /// Reads until one whole request has come: its stream.
    pub(crate) async fn request(&mut self) -> u32 {
        self.next_request().await.unwrap().0
    }

    /// As [`request`](Self::request), with the bytes that came after the head; `None` once the client has left.
    pub(crate) async fn next_request(&mut self) -> Option<(u32, Vec<u8>)> {
        let mut body = Vec::new();
        loop {
            let (kind, flags, stream, payload) = self.read().await?;
            match kind {
                SETTINGS if flags & ACK == 0 => self.frame(SETTINGS, ACK, 0, &[]).await,
                PING if flags & ACK == 0 => self.frame(PING, ACK, 0, &payload).await,
                DATA => {
                    body.extend(&payload);
                    self.take_more(stream, payload.len()).await;
                }
                _ => {}
            }
            if matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0 {
                return Some((stream, body));
            }
        }
    }

    /// Lets the client send as many bytes more.
    async fn take_more(&mut self, stream: u32, bytes: usize) {
        let more = u32::try_from(bytes).unwrap().to_be_bytes();
        if bytes > 0 {
            self.frame(WINDOW_UPDATE, 0, 0, &more).await;
            self.frame(WINDOW_UPDATE, 0, stream, &more).await;
        }
    }

    /// Reads until the client has closed the connection.
    pub(crate) async fn closed_by_client(&mut self) {
        while self.read().await.is_some() {}
    }

    /// Reads until the client resets a stream: that stream, or `None` where it left instead.
    pub(crate) async fn reset_by_client(&mut self) -> Option<u32> {
        loop {
            let (kind, _, stream, _) = self.read().await?;
            if kind == RST_STREAM {
                return Some(stream);
            }
        }
    }

    /// Sends response headers; `:status` is 200 unless they hold another.
    pub(crate) async fn head(&mut self, stream: u32, headers: &[(&str, &str)]) {
        let block = block(headers, true);
        self.frame(HEADERS, END_HEADERS, stream, &block).await;
    }

    /// Sends response headers that end the stream: Trailers-Only.
    pub(crate) async fn head_only(&mut self, stream: u32, headers: &[(&str, &str)]) {
        let block = block(headers, true);
        self.frame(HEADERS, END_HEADERS | END_STREAM, stream, &block).await;
    }

    /// Sends trailers.
    pub(crate) async fn trailers(&mut self, stream: u32, headers: &[(&str, &str)]) {
        let block = block(headers, false);
        self.frame(HEADERS, END_HEADERS | END_STREAM, stream, &block).await;
    }

    /// Sends `bytes` as the body, as they are.
    pub(crate) async fn data(&mut self, stream: u32, bytes: &[u8]) {
        self.frame(DATA, 0, stream, bytes).await;
    }

    /// Ends the body without trailers.
    pub(crate) async fn end(&mut self, stream: u32) {
        self.frame(DATA, END_STREAM, stream, &[]).await;
    }

    pub(crate) async fn reset(&mut self, stream: u32, reason: u32) {
        self.frame(RST_STREAM, 0, stream, &reason.to_be_bytes()).await;
    }

    pub(crate) async fn go_away(&mut self, last: u32, reason: u32) {
        let payload = [last.to_be_bytes(), reason.to_be_bytes()].concat();
        self.frame(GO_AWAY, 0, 0, &payload).await;
    }

    /// Writes what is no frame at all.
    pub(crate) async fn garbage(&mut self) {
        self.0.write_all(&[0xff; 64]).await.unwrap();
    }

    /// Keeps the connection open, reading nothing, until the test ends.
    pub(crate) async fn stall(self) {
        std::future::pending::<()>().await;
        drop(self);
    }

    async fn read(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await.ok()?;
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = head;
        let length = u32::from_be_bytes([0, l0, l1, l2]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.0.read_exact(&mut payload).await.ok()?;
        Some((kind, flags, u32::from_be_bytes([s0, s1, s2, s3]), payload))
    }

    async fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        // A client that has left already is what some scripts are about.
        let _ = self.0.write_all(&frame).await;
    }
}

/// An HPACK block (RFC 7541) of literals only: nothing is indexed, nothing Huffman-coded.
fn block(headers: &[(&str, &str)], head: bool) -> Vec<u8> {
    let mut block = Vec::new();
    let mut literal = |name: &str, value: &str| {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            assert!(text.len() < 127, "a longer text needs a multi-byte length");
            block.extend(text.as_bytes());
        }
    };
    if head && !headers.iter().any(|(name, _)| *name == ":status") {
        literal(":status", "200");
    }
    for (name, value) in headers {
        literal(name, value);
    }
    block
}

/// `message` with the prefix of a gRPC message that is not compressed.
pub(crate) fn framed(message: &[u8]) -> Vec<u8> {
    let mut framed = vec![0];
    framed.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    framed.extend(message);
    framed
}
