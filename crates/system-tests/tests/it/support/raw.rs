//! A connection whose every byte the test decides, for what no well-behaved client sends.

use std::{future::Future, io, net::SocketAddr};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::timeout,
};

use super::{Answer, PATIENCE, conformance};

/// One HTTP/1.1 connection.
pub(crate) struct Raw(BufReader<TcpStream>);

/// The head of a `POST /orders` with a JSON body; further header lines end in CRLF.
pub(crate) fn post_head(further: &str) -> String {
    format!("POST /orders HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\n{further}\r\n")
}

/// A whole `POST /orders` with this body; further header lines end in CRLF.
pub(crate) fn post(further: &str, body: &str) -> String {
    post_head(&format!("{further}Content-Length: {}\r\n", body.len())) + body
}

impl Raw {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        Self::try_open(address).await.expect("a connection")
    }

    /// # Errors
    ///
    /// What connecting ended with.
    pub(crate) async fn try_open(address: SocketAddr) -> io::Result<Self> {
        let stream = within(TcpStream::connect(address)).await?;
        stream.set_nodelay(true)?;
        Ok(Self::over(stream))
    }

    /// A connection that is there.
    pub(crate) fn over(stream: TcpStream) -> Self {
        Self(BufReader::new(stream))
    }

    /// # Errors
    ///
    /// The other side has closed.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        within(self.0.write_all(bytes.as_ref())).await
    }

    /// The next answer, which must be one that the OpenAPI document has for `method` and `path`.
    pub(crate) async fn answer(&mut self, method: &Method, path: &str) -> Answer {
        let answer = self.unchecked().await.expect("a whole answer").expect("an answer");
        conformance::check(method, path, &answer);
        answer
    }

    /// The next answer to a `POST /orders`.
    pub(crate) async fn placed(&mut self) -> Answer {
        self.answer(&Method::POST, "/orders").await
    }

    /// The next answer, whatever it is; `None` where the connection ends before its first byte.
    ///
    /// # Errors
    ///
    /// The connection breaks, or ends within an answer.
    pub(crate) async fn unchecked(&mut self) -> io::Result<Option<Answer>> {
        within(self.read_answer()).await
    }

    /// Whether the connection ends without another byte.
    pub(crate) async fn ends(&mut self) -> bool {
        !matches!(within(self.0.read(&mut [0])).await, Ok(1..))
    }

    async fn read_answer(&mut self) -> io::Result<Option<Answer>> {
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
        Ok(Some(Answer { status, headers, body: body.into() }))
    }

    /// A line without its end, or `None` where the connection has ended.
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
    io::Error::new(io::ErrorKind::UnexpectedEof, format!("an answer breaks off at {at:?}"))
}

async fn within<T>(future: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("a connection stood still for {PATIENCE:?}"))
}
