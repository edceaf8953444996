//! A raw HTTP/1.1 connection, for requests that no HTTP library sends.

use std::{future::Future, io, net::SocketAddr};

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
        within(self.parse_response()).await
    }

    /// Whether the peer closes the connection without another byte.
    pub(crate) async fn is_closed(&mut self) -> bool {
        !matches!(within(self.0.read(&mut [0])).await, Ok(1..))
    }

    async fn parse_response(&mut self) -> io::Result<Option<Response>> {
        let Some(line) = self.line().await? else { return Ok(None) };
        let status = line.split(' ').nth(1).and_then(|code| code.parse::<StatusCode>().ok());
        let status = status.ok_or_else(|| broken(&line))?;
        let mut headers = HeaderMap::new();
        loop {
            let line = self.line().await?.ok_or_else(|| broken("the end"))?;
            let Some((name, value)) = line.split_once(": ") else { break };
            let name = HeaderName::try_from(name).map_err(|_| broken(&line))?;
            headers.append(name, HeaderValue::try_from(value).map_err(|_| broken(&line))?);
        }
        let length = headers.get("content-length").and_then(|length| length.to_str().ok()?.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        self.0.read_exact(&mut body).await?;
        Ok(Some(Response { status, headers, body: body.into() }))
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
