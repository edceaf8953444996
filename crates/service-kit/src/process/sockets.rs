//! The sockets of one service: taken first, listened on when the service can answer.

use std::{io, net::SocketAddr};

use tokio::net::{TcpListener, TcpSocket};

use super::Process;

/// Connections that may wait to be accepted; Linux cuts it to its own `net.core.somaxconn`, 4096 by default.
const BACKLOG: u32 = 4096;

/// The sockets of one service, bound by its caller, who thereby knows its addresses.
#[derive(Debug)]
pub struct Sockets {
    /// Where the service itself is served, once it can answer.
    pub service: BoundSocket,
    /// Where operators look, from the start.
    pub admin: TcpListener,
}

impl Sockets {
    /// Binds both sockets, or neither.
    ///
    /// # Errors
    ///
    /// [`BindError`] names the address that is taken or not ours.
    pub async fn bind(process: &Process) -> Result<Self, BindError> {
        // The one that listens comes first, so that the same address twice is found at once.
        let admin = BoundSocket::to(process.admin_address)?.listen()?;
        Ok(Self { service: BoundSocket::to(process.service_address)?, admin })
    }
}

/// A socket that has its address and does not listen yet: whoever connects is refused, and so knows that
/// nothing was done, where a listener would let callers in that nobody answers.
#[derive(Debug)]
pub struct BoundSocket {
    socket: TcpSocket,
    address: SocketAddr,
}

impl BoundSocket {
    /// Binds a socket to `address`, or to a free port where its port is 0. Called within a runtime.
    ///
    /// # Errors
    ///
    /// [`BindError`] where the address is not ours, or somebody listens there. Another who has bound it and
    /// does not listen yet is met by [`listen`](Self::listen) alone.
    pub fn to(address: SocketAddr) -> Result<Self, BindError> {
        let bind = || {
            let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
            // Connections of the process before this one may still be closing.
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            Ok(Self { address: socket.local_addr()?, socket })
        };
        bind().map_err(|source| BindError { address, source })
    }

    /// The address, with the port that was found where 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Lets callers in.
    ///
    /// # Errors
    ///
    /// [`BindError`] where somebody else has come to listen on the address meanwhile.
    pub fn listen(self) -> Result<TcpListener, BindError> {
        let Self { socket, address } = self;
        socket.listen(BACKLOG).map_err(|source| BindError { address, source })
    }
}

/// A socket that could not be bound, or not listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}")]
pub struct BindError {
    address: SocketAddr,
    source: io::Error,
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::net::TcpStream;

    use super::*;

    fn bound(port: u16) -> Result<BoundSocket, BindError> {
        BoundSocket::to(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port))
    }

    #[tokio::test]
    async fn who_connects_is_refused_before_it_listens_and_let_in_after() {
        let socket = bound(0).unwrap();
        let address = socket.local_addr();
        let refused = TcpStream::connect(address).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        let listener = socket.listen().unwrap();
        let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        assert_eq!(accepted.unwrap().1, client.unwrap().local_addr().unwrap());
    }

    #[tokio::test]
    async fn an_address_where_somebody_listens_cannot_be_bound() {
        let holder = bound(0).unwrap().listen().unwrap();
        let taken = holder.local_addr().unwrap();
        let error = bound(taken.port()).unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot listen on {taken}: ")), "{error}");
    }

    #[tokio::test]
    async fn of_two_that_wait_on_one_address_the_second_to_listen_names_it() {
        let first = bound(0).unwrap();
        let taken = first.local_addr();
        let second = bound(taken.port()).unwrap();
        let _listener = first.listen().unwrap();
        let error = second.listen().unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot listen on {taken}: ")), "{error}");
    }

    #[tokio::test]
    async fn free_ports_are_never_given_twice() {
        let sockets: Vec<_> = (0..64).map(|_| bound(0).unwrap()).collect();
        let ports: std::collections::BTreeSet<_> = sockets.iter().map(|s| s.local_addr().port()).collect();
        assert_eq!(ports.len(), sockets.len());
    }
}
