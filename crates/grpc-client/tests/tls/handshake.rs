//! One connection over loopback, and what either side saw of it.

use std::{io, time::Duration};

use grpc_client::tls::{ClientTls, ServerTls};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// Longer than anything takes, on a machine that is busy with other things.
pub(crate) const BOUND: Duration = Duration::from_secs(20);

/// What each side ended with, the handshake and one exchange of a few bytes taken together.
#[derive(Debug)]
pub(crate) struct Seen {
    /// The certificate that the server has shown, as DER.
    pub(crate) client: Result<Vec<u8>, String>,
    pub(crate) server: Result<(), String>,
}

impl Seen {
    /// The certificate that the server has shown to a client that got on with it.
    pub(crate) fn shown(self) -> Vec<u8> {
        self.server.unwrap();
        self.client.unwrap()
    }

    /// What client and server say of a connection that neither could use.
    pub(crate) fn refused(self) -> (String, String) {
        (self.client.unwrap_err(), self.server.unwrap_err())
    }
}

/// Lets `client` call `server`, which it takes to be `name`.
pub(crate) async fn meet(client: &ClientTls, name: &str, server: &ServerTls) -> Seen {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let calling = async {
        let mut stream = client.connect(name, TcpStream::connect(address).await?).await?;
        ask(&mut stream).await?;
        Ok(stream.get_ref().1.peer_certificates().unwrap()[0].to_vec())
    };
    let called = async {
        let (io, _) = listener.accept().await?;
        answer(server.accept(io).await?).await
    };
    let both = async { tokio::join!(calling, called) };
    let (client, server) = tokio::time::timeout(BOUND, both).await.unwrap();
    Seen { client: client.map_err(told), server: server.map_err(told) }
}

pub(crate) async fn ask(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<()> {
    stream.write_all(b"ask").await?;
    stream.flush().await?;
    let mut answer = [0; 6];
    stream.read_exact(&mut answer).await?;
    assert_eq!(&answer, b"answer");
    Ok(())
}

pub(crate) async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    let mut asked = [0; 3];
    stream.read_exact(&mut asked).await?;
    assert_eq!(&asked, b"ask");
    stream.write_all(b"answer").await?;
    stream.shutdown().await
}

fn told(error: io::Error) -> String {
    error.to_string()
}
