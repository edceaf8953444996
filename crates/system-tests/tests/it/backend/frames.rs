//! A server that reads HTTP/2 requests frame by frame and reacts to each with one protocol-level
//! action (RFC 9113).

use std::net::{Ipv4Addr, SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::AbortHandle,
};

const PREFACE_BYTES: usize = 24;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GO_AWAY: u8 = 7;
const END_STREAM: u8 = 1;

/// Error codes (RFC 9113 §7).
pub(crate) const NO_ERROR: u32 = 0;
pub(crate) const INTERNAL_ERROR: u32 = 2;
pub(crate) const REFUSED_STREAM: u32 = 7;
pub(crate) const CANCEL: u32 = 8;

/// The server's action after a complete request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Action {
    /// Resets the stream with an error code.
    Reset(u32),
    /// Sends GOAWAY with last stream id 0 and keeps the connection open: the request was not
    /// processed.
    GoAwayBefore,
    /// Sends GOAWAY that covers the request, with an error code, and closes the connection.
    GoAwayAfter(u32),
    /// Closes the connection.
    Close,
    /// Responds in HTTP/1.1 and closes the connection.
    Http1,
}

/// A running server; it accepts no more connections after it is dropped.
pub(crate) struct FrameServer {
    pub(crate) address: SocketAddr,
    serving: AbortHandle,
}

impl FrameServer {
    /// Starts a server that reacts with the same action on every connection.
    pub(crate) async fn start(then: Action) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(play(stream, then));
            }
        });
        Self { address, serving: serving.abort_handle() }
    }
}

impl Drop for FrameServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Returns when the client disconnects.
async fn play(mut stream: TcpStream, then: Action) -> std::io::Result<()> {
    stream.read_exact(&mut [0; PREFACE_BYTES]).await?;
    if !matches!(then, Action::Http1) {
        write(&mut stream, SETTINGS, 0, &[]).await?;
    }
    loop {
        let id = request(&mut stream).await?;
        match then {
            Action::Reset(code) => write(&mut stream, RST_STREAM, id, &code.to_be_bytes()).await?,
            Action::GoAwayBefore => write(&mut stream, GO_AWAY, 0, &go_away(0, NO_ERROR)).await?,
            Action::GoAwayAfter(code) => {
                write(&mut stream, GO_AWAY, 0, &go_away(id, code)).await?;
                return stream.shutdown().await;
            }
            Action::Close => return Ok(()),
            Action::Http1 => {
                stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 6\r\n\r\ncanary").await?;
                return stream.shutdown().await;
            }
        }
    }
}

/// Reads a complete request and returns its stream id.
async fn request(stream: &mut TcpStream) -> std::io::Result<u32> {
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await?;
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, l0, l1, l2]) as usize];
        stream.read_exact(&mut payload).await?;
        if matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0 {
            return Ok(u32::from_be_bytes([s0, s1, s2, s3]));
        }
    }
}

fn go_away(last: u32, code: u32) -> Vec<u8> {
    [last.to_be_bytes(), code.to_be_bytes()].concat()
}

async fn write(stream: &mut TcpStream, kind: u8, id: u32, payload: &[u8]) -> std::io::Result<()> {
    let length = u32::try_from(payload.len()).expect("a short payload").to_be_bytes();
    let head = [&length[1..], &[kind, 0][..], &id.to_be_bytes()].concat();
    stream.write_all(&[&head, payload].concat()).await
}
