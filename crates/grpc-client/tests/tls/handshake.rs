//! One TLS connection over loopback, and its result on either side.

use std::{io, time::Duration};

use grpc_client::tls::{ClientTls, ServerTls};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// An upper bound on every step of a test, with reserve for a busy machine.
pub(crate) const BOUND: Duration = Duration::from_secs(20);

/// The results of a handshake and one exchange of bytes.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The server's certificate, as DER.
    pub(crate) client: Result<Vec<u8>, String>,
    pub(crate) server: Result<(), String>,
}

impl Outcome {
    pub(crate) fn is_ok(&self) -> bool {
        self.client.is_ok() && self.server.is_ok()
    }

    /// The server's certificate of a successful connection.
    pub(crate) fn certificate(self) -> Vec<u8> {
        self.server.unwrap();
        self.client.unwrap()
    }

    /// The errors of client and server.
    pub(crate) fn errors(self) -> (String, String) {
        (self.client.unwrap_err(), self.server.unwrap_err())
    }
}

/// Connects `client` to `server` under the name `name`.
pub(crate) async fn connect(client: &ClientTls, name: &str, server: &ServerTls) -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let client_side = async {
        let mut stream = client.connect(name, TcpStream::connect(address).await?).await?;
        request(&mut stream).await?;
        Ok(stream.get_ref().1.peer_certificates().unwrap()[0].to_vec())
    };
    let server_side = async {
        let (io, _) = listener.accept().await?;
        respond(server.accept(io).await?).await
    };
    let both = async { tokio::join!(client_side, server_side) };
    let (client, server): (io::Result<_>, io::Result<_>) = tokio::time::timeout(BOUND, both).await.unwrap();
    let text = |error: io::Error| error.to_string();
    Outcome { client: client.map_err(text), server: server.map_err(text) }
}

pub(crate) async fn request(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<()> {
    stream.write_all(b"request").await?;
    stream.flush().await?;
    let mut response = [0; 8];
    stream.read_exact(&mut response).await?;
    assert_eq!(&response, b"response");
    Ok(())
}

pub(crate) async fn respond(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    let mut request = [0; 7];
    stream.read_exact(&mut request).await?;
    assert_eq!(&request, b"request");
    stream.write_all(b"response").await?;
    stream.shutdown().await
}
