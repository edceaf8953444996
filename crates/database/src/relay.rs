//! Connects to a MySQL server at an IPv6 address, which sqlx 0.9 cannot do from a URL: it keeps the brackets
//! around the address, and the resolver looks that up as a host name. sqlx's `Any` driver accepts nothing but
//! a URL.
//!
//! This module dials the address and relays the bytes to a Unix socket, which sqlx connects to. The socket
//! has an abstract name (Linux), needs no file, and serves one connection of this process. Delete it once
//! sqlx dials IPv6.

use std::{future, io, net::SocketAddr, process};

use service_kit::ids::random_u32;
use sqlx::{AnyConnection, Connection, any::AnyConnectOptions};
use tokio::{
    io::{AsyncWriteExt, copy},
    net::{TcpStream, UnixListener, UnixStream},
};

/// Connects to `server`; `options` contain everything but the address. A refused connection is the same error
/// as from sqlx.
pub(crate) async fn connect(
    server: SocketAddr,
    options: &AnyConnectOptions,
) -> Result<AnyConnection, sqlx::Error> {
    let far = TcpStream::connect(server).await?;
    far.set_nodelay(true)?;
    // The random part keeps apart two containers with the same process id in one network namespace.
    let name = format!("\0database-{}-{:08x}{:08x}", process::id(), random_u32(), random_u32());
    let listener = UnixListener::bind(&name)?;
    let mut options = options.clone();
    options.database_url.query_pairs_mut().append_pair("socket", &name);
    let relaying = async {
        let near = accept_own(&listener).await?;
        tokio::spawn(relay(near, far));
        Ok(())
    };
    let (connection, ()) = tokio::try_join!(AnyConnection::connect_with(&options), relaying)?;
    Ok(connection)
}

/// Accepts the connection of this process and closes any other.
async fn accept_own(listener: &UnixListener) -> io::Result<UnixStream> {
    loop {
        let (near, _) = listener.accept().await?;
        let peer = near.peer_cred()?.pid().and_then(|pid| u32::try_from(pid).ok());
        if peer == Some(process::id()) {
            return Ok(near);
        }
    }
}

/// Copies bytes in both directions until the near end closes. Keeps writing to a server that has closed its
/// side, as TCP does: TLS sends close_notify.
async fn relay(mut near: UnixStream, mut far: TcpStream) {
    let (mut from_near, mut to_near) = near.split();
    let (mut from_far, mut to_far) = far.split();
    // Errors are ignored: when one side fails, the other sees end of file.
    let responses = async {
        let _ = copy(&mut from_far, &mut to_near).await;
        let _ = to_near.shutdown().await;
        future::pending::<()>().await;
    };
    tokio::select! {
        _ = copy(&mut from_near, &mut to_far) => {}
        () = responses => {}
    }
}
