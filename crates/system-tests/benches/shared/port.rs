//! Ports for processes that a bench starts.

use std::net::{SocketAddr, TcpListener};

use crate::figures::Failure;

/// One of the loopback interface that nobody listens on.
pub(crate) fn free() -> Result<SocketAddr, Failure> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
