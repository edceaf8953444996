//! A raw HTTP/1.1 connection, for requests that no HTTP library sends.

use std::{future::Future, io, net::SocketAddr};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::timeout,
};

use super::{Response, WAIT_MAX, conformance};

/// One HTTP/1.1 connection.
pub(crate) struct RawConnection(BufReader<TcpStream>);

/// The head of a `POST /orders` with a JSON body; further header lines end in CRLF.
pub(crate) fn post_head(further: &str) -> String {
    format!("POST /orders HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\n{further}\r\n")
}

/// A whole `POST /orders` with this body; further header lines end in CRLF.
pub(crate) fn post(further: &str, body: &str) -> String {
    post_head(&format!("{further}Content-Length: {}\r\n", body.len())) + body
}

impl RawConnection {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        Self::try_open(address).await.expect("a connection")
    }

    /// # Errors
    ///
    /// Connecting failed.
    pub(crate) async fn try_open(address: SocketAddr) -> io::Result<Self> {
        let stream = within(TcpStream::connect(address)).await?;
        stream.set_nodelay(true)?;
        Ok(Self::over(stream))
    }

    /// Wraps an open connection.
    pub(crate) fn over(stream: TcpStream) -> Self {
        Self(BufReader::new(stream))
    }

    /// # Errors
    ///
    /// The peer has closed the connection.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        within(self.0.write_all(bytes.as_ref())).await
    }

    /// Reads the next response and validates it against the OpenAPI document.
    pub(crate) async fn read_response(&mut self, method: &Method, path: &str) -> Response {
        let response = self.read_unchecked().await.expect("a whole response").expect("a response");
        conformance::check(method, path, &response);
        response
    }

    /// Reads the response to a `POST /orders`.
    pub(crate) async fn read_order_response(&mut self) -> Response {
        self.read_response(&Method::POST, "/orders").await
    }

    /// Reads the next response without validation; `None` if the connection ends before its first
    /// byte.
    ///
    /// # Errors
    ///
    /// The connection breaks, or ends within a response.
    pub(crate) async fn read_unchecked(&mut self) -> io::Result<Option<Response>> {
        within(async {
            let Some(head) = self.parse_head().await? else { return Ok(None) };
            let body = self.parse_body(&head).await?;
            Ok(Some(Response { body, ..head }))
        })
        .await
    }

    /// As [`read_unchecked`](Self::read_unchecked), for the response to a HEAD, which has no body.
    ///
    /// # Errors
    ///
    /// The connection breaks, or ends within the head.
    pub(crate) async fn read_head(&mut self) -> io::Result<Option<Response>> {
        within(self.parse_head()).await
    }

    /// Shuts down the sending side; responses can still be read.
    ///
    /// # Errors
    ///
    /// The connection is broken.
    pub(crate) async fn shut_down_sending(&mut self) -> io::Result<()> {
        within(self.0.shutdown()).await
    }

    /// Whether the peer closes the connection without another byte.
    pub(crate) async fn is_closed(&mut self) -> bool {
        !matches!(within(self.0.read(&mut [0])).await, Ok(1..))
    }

    /// A response without its body.
    async fn parse_head(&mut self) -> io::Result<Option<Response>> {
        let Some(line) = self.line().await? else { return Ok(None) };
        let status = line.split(' ').nth(1).and_then(|code| code.parse::<StatusCode>().ok());
        let status = status.ok_or_else(|| broken(&line))?;
        let mut headers = HeaderMap::new();
        loop {
            let line = self.line().await?.ok_or_else(|| broken("the end"))?;
            let Some((name, value)) = line.split_once(':') else { break };
            let name = HeaderName::try_from(name).map_err(|_| broken(&line))?;
            headers.append(name, HeaderValue::try_from(value.trim()).map_err(|_| broken(&line))?);
        }
        Ok(Some(Response { status, headers, body: Bytes::new() }))
    }

    /// The body of the response with this head to a request other than HEAD (RFC 9112, section 6.3).
    async fn parse_body(&mut self, head: &Response) -> io::Result<Bytes> {
        if head.status.is_informational() || [204, 304].contains(&head.status.as_u16()) {
            return Ok(Bytes::new());
        }
        if head.header("transfer-encoding") != "chunked" {
            let length =
                head.headers.get("content-length").and_then(|length| length.to_str().ok()?.parse().ok());
            return self.bytes(length.unwrap_or(0)).await.map(Bytes::from);
        }
        let mut whole = Vec::new();
        loop {
            let line = self.line().await?.ok_or_else(|| broken("a chunk"))?;
            let size = usize::from_str_radix(&line, 16).map_err(|_| broken(&line))?;
            whole.extend(self.bytes(size).await?);
            self.line().await?;
            if size == 0 {
                return Ok(whole.into());
            }
        }
    }

    async fn bytes(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.0.read_exact(&mut bytes).await?;
        Ok(bytes)
    }

    /// A line without its end, or `None` at the end of the connection.
    async fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = String::new();
        match self.0.read_line(&mut line).await? {
            0 => Ok(None),
            _ if line.ends_with("\r\n") => Ok(Some(line.trim_end().to_owned())),
            _ => Err(broken(&line)),
        }
    }
}

fn broken(at: &str) -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, format!("a response breaks off at {at:?}"))
}

async fn within<T>(future: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(WAIT_MAX, future).await.unwrap_or_else(|_| panic!("a connection stood still for {WAIT_MAX:?}"))
}
