//! One case on a connection of its own.

use std::{fmt, net::SocketAddr, time::Duration};

use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};

use crate::support::{Client, Response, raw::RawConnection};

/// Time limit of a response that waits for nothing, on a loaded machine.
const AT_ONCE: Duration = Duration::from_secs(1);
/// Time limit of a case on a loaded machine.
const CASE_MAX: Duration = Duration::from_secs(20);
/// Cases at a time.
const PARALLEL: usize = 16;
/// Bytes of a piece, and of a piece of a long request.
const PIECE_BYTES: usize = 7;
const LONG_PIECE_BYTES: usize = 1_500;
/// Bytes of a long request.
const LONG_BYTES: usize = 3_000;

/// Bytes to send, and what the gateway must do.
pub(super) struct Case {
    pub(super) name: String,
    /// The rule that the case checks.
    pub(super) rule: String,
    /// The user of the orders in `parts`, which no other case uses.
    pub(super) user: u32,
    pub(super) parts: Vec<Part>,
    pub(super) expected: Vec<Expected>,
    pub(super) end: End,
    /// Fields of the last response: `name: part of its value` or `no name`.
    pub(super) fields: Vec<String>,
}

pub(super) enum Part {
    Send(Vec<u8>),
    /// Waits for `100 Continue`.
    AwaitContinue,
}

/// What one response must be.
pub(super) struct Expected {
    /// Any of these.
    pub(super) statuses: Vec<u16>,
    /// A response to HEAD has no body.
    pub(super) to_head: bool,
}

/// What follows the last response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The connection serves another request.
    Open,
    /// The gateway closes the connection.
    Closed,
    /// Either of the two.
    Any,
    /// The gateway closes the connection, whose sending side the client has shut down.
    HalfClosed,
    /// The client sends nothing more, and each response comes at once.
    Silent,
}

/// How the bytes of a request are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sending {
    /// By one write.
    Whole,
    /// By many, each of which the gateway can read before the next one.
    InPieces,
}

/// Runs all cases, each with its own connection and user.
///
/// # Panics
///
/// At least one fails: the message has the bytes, what is expected and what came.
pub(super) async fn run_all(gateway: SocketAddr, client: &Client, cases: Vec<Case>, sending: Sending) {
    let (mut failures, all) = (Vec::new(), cases.len());
    let mut cases = cases.into_iter();
    let mut running = JoinSet::new();
    loop {
        while running.len() < PARALLEL
            && let Some(case) = cases.next()
        {
            let client = client.clone();
            running.spawn(async move { case.run(gateway, &client, sending).await });
        }
        match running.join_next().await {
            Some(outcome) => failures.extend(outcome.expect("a case does not panic").err()),
            None => break,
        }
    }
    assert!(failures.is_empty(), "{} of {all} cases failed\n{}", failures.len(), failures.join("\n"));
}

impl Case {
    async fn run(self, gateway: SocketAddr, client: &Client, sending: Sending) -> Result<(), String> {
        let mut received = Vec::new();
        let outcome = timeout(CASE_MAX, self.exchange(gateway, sending, &mut received)).await;
        let mut outcome = outcome.unwrap_or_else(|_| Err(format!("no end within {CASE_MAX:?}")));
        if outcome.is_ok() {
            outcome = self.check_orders(client, &received).await;
        }
        outcome.map_err(|why| {
            let received: Vec<String> = received.iter().map(shown).collect();
            format!("{self}\n  received  {}\n  {why}", received.join("\n            "))
        })
    }

    async fn exchange(
        &self,
        gateway: SocketAddr,
        sending: Sending,
        received: &mut Vec<Response>,
    ) -> Result<(), String> {
        let mut connection = RawConnection::open(gateway).await;
        self.send(&mut connection, sending).await?;
        let sent = Instant::now();
        for expected in &self.expected {
            let response = final_response(&mut connection, expected.to_head).await?;
            let status = response.status.as_u16();
            check_response(&response, expected.to_head)?;
            received.push(response);
            if !expected.statuses.contains(&status) {
                return Err(format!("the status is {status}"));
            }
            if self.end == End::Silent && sent.elapsed() > AT_ONCE {
                return Err(format!("the response took {:?}", sent.elapsed()));
            }
        }
        self.check_fields(received.last())?;
        self.check_end(&mut connection, received.last()).await
    }

    async fn send(&self, connection: &mut RawConnection, sending: Sending) -> Result<(), String> {
        for part in &self.parts {
            match part {
                Part::Send(bytes) => {
                    let piece_bytes = match (sending, bytes.len()) {
                        (Sending::Whole, _) => usize::MAX,
                        (Sending::InPieces, ..LONG_BYTES) => PIECE_BYTES,
                        (Sending::InPieces, _) => LONG_PIECE_BYTES,
                    };
                    for piece in bytes.chunks(piece_bytes) {
                        // The gateway may close the connection before it has read everything.
                        drop(connection.send(piece).await);
                        tokio::task::yield_now().await;
                    }
                }
                Part::AwaitContinue => {
                    let interim = connection.read_unchecked().await.map_err(|error| error.to_string())?;
                    if interim.as_ref().is_none_or(|interim| interim.status != 100) {
                        return Err(format!(
                            "no 100 Continue: {}",
                            interim.as_ref().map(shown).unwrap_or_default()
                        ));
                    }
                }
            }
        }
        if self.end == End::HalfClosed {
            connection.shut_down_sending().await.map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn check_fields(&self, last: Option<&Response>) -> Result<(), String> {
        let Some(last) = last else { return Ok(()) };
        for field in &self.fields {
            let holds = match field.split_once(": ") {
                Some((name, value)) => last.header(name).contains(value),
                None => !last.headers.contains_key(field.trim_start_matches("no ")),
            };
            if !holds {
                return Err(format!("the response must have {field}: {:?}", last.headers));
            }
        }
        Ok(())
    }

    async fn check_end(&self, connection: &mut RawConnection, last: Option<&Response>) -> Result<(), String> {
        match self.end {
            End::Silent => Ok(()),
            End::Closed | End::HalfClosed => {
                let closed = connection.is_closed().await;
                closed.then_some(()).ok_or_else(|| "a further response".to_owned())?;
                // HTTP/1.0 closes without the option; a client that has shut down its side knows it.
                let announced = last.is_none_or(|last| last.header("connection").contains("close"));
                let announces = self.end == End::Closed && !self.is_http_1_0();
                (announced || !announces).then_some(()).ok_or_else(|| "no Connection: close".to_owned())
            }
            End::Open | End::Any => {
                let sent = connection.send("GET /livez HTTP/1.1\r\nHost: gateway\r\n\r\n").await;
                let served = match sent {
                    Ok(()) => connection.read_unchecked().await,
                    Err(error) => Err(error),
                };
                match served {
                    Ok(Some(response)) if response.status == 200 => Ok(()),
                    Ok(None) | Err(_) if self.end == End::Any => Ok(()),
                    other => Err(format!("the connection does not serve another request alone: {other:?}")),
                }
            }
        }
    }

    fn is_http_1_0(&self) -> bool {
        let sent =
            |part: &Part| matches!(part, Part::Send(bytes) if bytes.windows(8).any(|b| b == b"HTTP/1.0"));
        self.parts.iter().any(sent)
    }

    /// Checks that the user has one order for each 201.
    async fn check_orders(&self, client: &Client, received: &[Response]) -> Result<(), String> {
        let placed = received.iter().filter(|response| response.status == 201).count();
        let listed = client.get(&format!("/orders?user_id={}", self.user)).await.json();
        let saved = listed["orders"].as_array().map_or(0, Vec::len);
        (saved == placed).then_some(()).ok_or_else(|| format!("{saved} orders after {placed} times 201"))
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} ({})", self.name, self.rule)?;
        for part in &self.parts {
            match part {
                Part::Send(bytes) => {
                    let shown = &bytes[..bytes.len().min(500)];
                    writeln!(f, "  sent      {}", shown.escape_ascii())?;
                }
                Part::AwaitContinue => writeln!(f, "  waits for 100 Continue")?,
            }
        }
        let statuses: Vec<&Vec<u16>> = self.expected.iter().map(|expected| &expected.statuses).collect();
        write!(f, "  expected  {statuses:?}, {:?} {:?}", self.end, self.fields)
    }
}

/// The next response that is no interim one.
async fn final_response(connection: &mut RawConnection, to_head: bool) -> Result<Response, String> {
    loop {
        let read = match to_head {
            true => connection.read_head().await,
            false => connection.read_unchecked().await,
        };
        match read {
            Ok(Some(interim)) if interim.status == 100 => {}
            Ok(Some(response)) => return Ok(response),
            Ok(None) => return Err("the gateway closed the connection without a response".to_owned()),
            Err(error) => return Err(format!("no whole response: {error}")),
        }
    }
}

/// What holds for every response (RFC 9110, sections 6.6.1 and 8.6; RFC 9112, section 6.1).
fn check_response(response: &Response, to_head: bool) -> Result<(), String> {
    let has = |name| response.headers.contains_key(name);
    if !has("date") {
        return Err("no Date".to_owned());
    }
    if has("content-length") && has("transfer-encoding") {
        return Err("Content-Length and Transfer-Encoding".to_owned());
    }
    let failed = response.status.is_client_error() || response.status.is_server_error();
    // hyper responds to what it cannot parse without a body.
    if failed
        && !to_head
        && !response.body.is_empty()
        && response.header("content-type") != "application/problem+json"
    {
        return Err(format!("no problem document: {:?}", response.body));
    }
    Ok(())
}

fn shown(response: &Response) -> String {
    let body = &response.body[..response.body.len().min(300)];
    format!("{} {:?} {}", response.status.as_u16(), response.headers, body.escape_ascii())
}
