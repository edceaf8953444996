//! Free ports for the processes of a bench.

use std::net::{SocketAddr, TcpListener};

use crate::figures::Failure;

/// A loopback address with a free port.
pub(crate) fn free() -> Result<SocketAddr, Failure> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
