//! A server that writes HTTP/2 frames by hand (RFC 9113), and so can cut off, contradict and falsify its
//! responses.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

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

/// Error codes of RFC 9113 §7.
pub(crate) const NO_ERROR: u32 = 0;
pub(crate) const INTERNAL_ERROR: u32 = 2;
pub(crate) const REFUSED_STREAM: u32 = 7;
pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;

pub(crate) type Header = (&'static str, &'static str);

/// The content type of a gRPC response.
pub(crate) const GRPC: Header = ("content-type", "application/grpc");
/// The trailer of a successful call.
pub(crate) const OK: Header = ("grpc-status", "0");

/// One step of a scripted response.
#[derive(Debug, Clone)]
pub(crate) enum Frame {
    /// Response headers; `:status` is 200 unless they contain another.
    Headers(Vec<Header>),
    /// Response headers that end the stream.
    TrailersOnly(Vec<Header>),
    Data(Vec<u8>),
    Trailers(Vec<Header>),
    /// The end of the body, without trailers.
    End,
    /// RST_STREAM with this error code.
    Reset(u32),
    /// GOAWAY with this last stream id and error code.
    GoAway(LastStream, u32),
    /// Bytes that are not a frame.
    Garbage,
    /// Closes the connection. Without it the connection stays open.
    Close,
}

/// The last stream id of a GOAWAY.
#[derive(Debug, Clone, Copy)]
pub(crate) enum LastStream {
    Zero,
    /// Excludes the stream of the request.
    BeforeRequest,
    OfRequest,
    /// The highest id: excludes no stream.
    Max,
}

/// One accepted connection.
pub(crate) struct Http2Peer(TcpStream);

impl Http2Peer {
    /// A server that runs `script` on the first connection, and refuses later ones.
    pub(crate) async fn scripted<F>(
        script: impl FnOnce(Http2Peer) -> F + Send + 'static,
    ) -> (SocketAddr, JoinHandle<()>)
    where
        F: Future<Output = ()> + Send,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let script = tokio::spawn(async move {
            let peer = Self::accept(&listener, None).await;
            drop(listener);
            script(peer).await;
        });
        (address, script)
    }

    /// A server that responds to each request on each connection with `frames`. Counts the requests.
    pub(crate) async fn repeating(frames: Vec<Frame>) -> (SocketAddr, Arc<AtomicUsize>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (address, requests) = (listener.local_addr().unwrap(), Arc::<AtomicUsize>::default());
        let counter = requests.clone();
        tokio::spawn(async move {
            loop {
                let mut peer = Self::accept(&listener, None).await;
                let (frames, counter) = (frames.clone(), counter.clone());
                tokio::spawn(async move {
                    while let Some((stream, _)) = peer.next_request().await {
                        counter.fetch_add(1, Ordering::Relaxed);
                        for frame in frames.clone() {
                            peer.send(stream, frame).await;
                        }
                    }
                });
            }
        });
        (address, requests)
    }

    /// A server that responds to the first request with `frames`.
    pub(crate) async fn responding(frames: Vec<Frame>) -> SocketAddr {
        let script = async move |mut peer: Http2Peer| {
            let stream = peer.request().await;
            for frame in frames {
                if matches!(frame, Frame::Close) {
                    return;
                }
                peer.send(stream, frame).await;
            }
            peer.keep_open().await;
        };
        Self::scripted(script).await.0
    }

    /// Accepts a connection and exchanges prefaces. `streams_max` limits concurrent streams.
    pub(crate) async fn accept(listener: &TcpListener, streams_max: Option<u32>) -> Self {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut preface = [0; 24];
        stream.read_exact(&mut preface).await.unwrap();
        assert_eq!(&preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        let mut peer = Self(stream);
        let mut settings = Vec::new();
        if let Some(max) = streams_max {
            settings.extend(SETTINGS_MAX_CONCURRENT_STREAMS.to_be_bytes());
            settings.extend(max.to_be_bytes());
        }
        peer.frame(SETTINGS, 0, 0, &settings).await;
        peer
    }

    /// Reads one complete request, and returns its stream id.
    pub(crate) async fn request(&mut self) -> u32 {
        self.next_request().await.unwrap().0
    }

    /// As [`request`](Self::request), with the body. `None` if the client closes the connection.
    pub(crate) async fn next_request(&mut self) -> Option<(u32, Vec<u8>)> {
        let mut body = Vec::new();
        loop {
            let (kind, flags, stream, payload) = self.read().await?;
            match kind {
                SETTINGS if flags & ACK == 0 => self.frame(SETTINGS, ACK, 0, &[]).await,
                PING if flags & ACK == 0 => self.frame(PING, ACK, 0, &payload).await,
                DATA => {
                    body.extend(&payload);
                    self.extend_window(stream, payload.len()).await;
                }
                _ => {}
            }
            if matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0 {
                return Some((stream, body));
            }
        }
    }

    async fn extend_window(&mut self, stream: u32, bytes: usize) {
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

    /// Reads until the client resets a stream, and returns its id. `None` if the client closes the
    /// connection.
    pub(crate) async fn reset_by_client(&mut self) -> Option<u32> {
        loop {
            let (kind, _, stream, _) = self.read().await?;
            if kind == RST_STREAM {
                return Some(stream);
            }
        }
    }

    pub(crate) async fn send(&mut self, stream: u32, frame: Frame) {
        match frame {
            Frame::Headers(headers) => self.frame(HEADERS, END_HEADERS, stream, &block(&headers, true)).await,
            Frame::TrailersOnly(headers) => {
                self.frame(HEADERS, END_HEADERS | END_STREAM, stream, &block(&headers, true)).await;
            }
            Frame::Data(bytes) => self.frame(DATA, 0, stream, &bytes).await,
            Frame::Trailers(headers) => {
                self.frame(HEADERS, END_HEADERS | END_STREAM, stream, &block(&headers, false)).await;
            }
            Frame::End => self.frame(DATA, END_STREAM, stream, &[]).await,
            Frame::Reset(code) => self.frame(RST_STREAM, 0, stream, &code.to_be_bytes()).await,
            Frame::GoAway(last, code) => {
                let last = match last {
                    LastStream::Zero => 0,
                    LastStream::BeforeRequest => stream - 1,
                    LastStream::OfRequest => stream,
                    LastStream::Max => 0x7fff_ffff,
                };
                let payload = [last.to_be_bytes(), code.to_be_bytes()].concat();
                self.frame(GO_AWAY, 0, 0, &payload).await;
            }
            Frame::Garbage => self.0.write_all(&[0xff; 64]).await.unwrap(),
            Frame::Close => self.0.shutdown().await.unwrap(),
        }
    }

    /// Keeps the connection open without reading, until the test ends.
    pub(crate) async fn keep_open(self) {
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
        // In some scripts the client has closed the connection by now.
        let _ = self.0.write_all(&frame).await;
    }
}

/// An HPACK block (RFC 7541) of literals, without index and Huffman coding.
fn block(headers: &[Header], is_head: bool) -> Vec<u8> {
    let mut block = Vec::new();
    let mut literal = |name: &str, value: &str| {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            assert!(text.len() < 127, "a longer text needs a multi-byte length");
            block.extend(text.as_bytes());
        }
    };
    if is_head && !headers.iter().any(|(name, _)| *name == ":status") {
        literal(":status", "200");
    }
    for (name, value) in headers {
        literal(name, value);
    }
    block
}

/// `message` with the prefix of an uncompressed gRPC message.
pub(crate) fn framed(message: &[u8]) -> Vec<u8> {
    let mut framed = vec![0];
    framed.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    framed.extend(message);
    framed
}
