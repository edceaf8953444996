//! Reaching a MySQL server at an IPv6 address, which sqlx 0.9 cannot: its MySQL options take a URL's host with the
//! brackets of an address, tokio's resolver looks that up as a name, and a URL is all that `Any` takes.
//!
//! We dial the address, and sqlx finds the connection behind a Unix socket, the one other thing that its URL may
//! name. That socket has an abstract name (Linux), so that no file is needed or left behind, and is there for one
//! connection of this process alone. All of this goes away once sqlx dials what stands in brackets.

use std::{future, io, net::SocketAddr, process};

use service_kit::ids::random_u32;
use sqlx::{AnyConnection, Connection, any::AnyConnectOptions};
use tokio::{
    io::{AsyncWriteExt, copy},
    net::{TcpStream, UnixListener, UnixStream},
};

/// A connection to `server`, which `options` say everything of but the address. A refused one is an error here, as if
/// sqlx had dialled.
pub(crate) async fn connect(
    server: SocketAddr,
    options: &AnyConnectOptions,
) -> Result<AnyConnection, sqlx::Error> {
    let far = TcpStream::connect(server).await?;
    far.set_nodelay(true)?;
    // A process in another container may have the same id and share the names.
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

/// The connection that this process makes: whoever else found the name is hung up on.
async fn accept_own(listener: &UnixListener) -> io::Result<UnixStream> {
    loop {
        let (near, _) = listener.accept().await?;
        let peer = near.peer_cred()?.pid().and_then(|pid| u32::try_from(pid).ok());
        if peer == Some(process::id()) {
            return Ok(near);
        }
    }
}

/// Passes on what either end sends until ours is gone. A server that has hung up is still written to, as over TCP: TLS
/// says goodbye to it.
async fn relay(mut near: UnixStream, mut far: TcpStream) {
    let (mut from_near, mut to_near) = near.split();
    let (mut from_far, mut to_far) = far.split();
    // An error says no more than the end does: where one side fails, the other sees its end.
    let answers = async {
        let _ = copy(&mut from_far, &mut to_near).await;
        let _ = to_near.shutdown().await;
        future::pending::<()>().await;
    };
    tokio::select! {
        _ = copy(&mut from_near, &mut to_far) => {}
        () = answers => {}
    }
}
