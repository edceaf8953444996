//! The sockets of one service: bound first, listening once the service can respond.

use std::{fmt, io, net::SocketAddr};

use tokio::net::{TcpListener, TcpSocket};

use super::{APPLICATION_PORT, Process};

/// Connections that may wait to be accepted. Linux lowers it to `net.core.somaxconn`, 4096 by default.
const BACKLOG: u32 = 4096;

/// The bound sockets of one service. Its caller binds them, and so knows the addresses.
#[derive(Debug)]
pub struct Sockets {
    /// The socket of the service; it listens once the service can respond.
    pub service: BoundSocket,
    /// The admin listener; it listens from the start.
    pub admin: TcpListener,
}

impl Sockets {
    /// Binds both sockets, or neither.
    ///
    /// # Errors
    ///
    /// [`BindError`] names the address that is in use or not of this host, and the variable that chooses it.
    pub async fn bind(process: &Process) -> Result<Self, BindError> {
        Self::bind_as(process, APPLICATION_PORT.name, "ADMIN_ADDRESS").await
    }

    /// As [`bind`](Self::bind), where the flags or variables `service` and `admin` choose the ports.
    ///
    /// # Errors
    ///
    /// [`BindError`] names the flag or variable.
    pub async fn bind_as(
        process: &Process,
        service: &'static str,
        admin: &'static str,
    ) -> Result<Self, BindError> {
        // The listening socket comes first, so that the second finds out where both have the same address.
        let admin = BoundSocket::to(process.admin_address, admin)?.listen()?;
        Ok(Self { service: BoundSocket::to(process.service_address, service)?, admin })
    }
}

/// A socket with an address that does not listen yet. The system refuses connections, and clients know that
/// nothing was done; a listener would accept clients that get no response.
#[derive(Debug)]
pub struct BoundSocket {
    socket: TcpSocket,
    address: SocketAddr,
    setting: &'static str,
}

impl BoundSocket {
    /// Binds a socket to `address`, or to a free port where the port is 0. `setting` is the flag or variable
    /// that chooses the port. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`BindError`] where the address is not of this host, or another socket listens there. A conflict with
    /// a socket that is bound and does not listen shows in [`listen`](Self::listen).
    pub fn to(address: SocketAddr, setting: &'static str) -> Result<Self, BindError> {
        let bind = || {
            let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
            // Connections of the previous process may still be in TIME_WAIT.
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            Ok(Self { address: socket.local_addr()?, socket, setting })
        };
        bind().map_err(|source| BindError { address, source, setting })
    }

    /// The address, with the actual port.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Accepts connections from now on.
    ///
    /// # Errors
    ///
    /// [`BindError`] where another socket listens on the address by now.
    pub fn listen(self) -> Result<TcpListener, BindError> {
        let Self { socket, address, setting } = self;
        socket.listen(BACKLOG).map_err(|source| BindError { address, source, setting })
    }
}

/// A socket that cannot be bound or cannot listen.
#[derive(Debug, thiserror::Error)]
pub struct BindError {
    address: SocketAddr,
    source: io::Error,
    /// The flag or variable that chooses the port.
    setting: &'static str,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, source, setting } = self;
        write!(f, "cannot listen on {address}: {source}")?;
        match source.kind() {
            io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied => {
                write!(f, "; choose another port with {setting}")
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::net::TcpStream;

    use super::*;

    fn bound(port: u16) -> Result<BoundSocket, BindError> {
        BoundSocket::to(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port), "APPLICATION_PORT")
    }

    #[tokio::test]
    async fn connections_are_refused_until_the_socket_listens() {
        let socket = bound(0).unwrap();
        let address = socket.local_addr();
        let refused = TcpStream::connect(address).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        let listener = socket.listen().unwrap();
        let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        assert_eq!(accepted.unwrap().1, client.unwrap().local_addr().unwrap());
    }

    #[tokio::test]
    async fn an_address_in_use_cannot_be_bound() {
        let holder = bound(0).unwrap().listen().unwrap();
        let taken = holder.local_addr().unwrap();
        let error = bound(taken.port()).unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot listen on {taken}: ")), "{error}");
        assert!(error.ends_with("; choose another port with APPLICATION_PORT"), "{error}");
    }

    #[tokio::test]
    async fn of_two_sockets_on_one_address_the_second_cannot_listen() {
        let first = bound(0).unwrap();
        let taken = first.local_addr();
        let second = bound(taken.port()).unwrap();
        let _listener = first.listen().unwrap();
        let error = second.listen().unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot listen on {taken}: ")), "{error}");
    }

    #[tokio::test]
    async fn free_ports_are_distinct() {
        let sockets: Vec<_> = (0..64).map(|_| bound(0).unwrap()).collect();
        let ports: std::collections::BTreeSet<_> = sockets.iter().map(|s| s.local_addr().port()).collect();
        assert_eq!(ports.len(), sockets.len());
    }
}
