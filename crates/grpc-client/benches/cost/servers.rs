//! Ten servers in a process of their own, so that their processor time is not measured.

use std::{
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    process::{Child, Command, Stdio},
};

use proto::payment::{
    CreatePaymentRequest, CreatePaymentResponse, GetPaymentRequest, GetPaymentResponse, VoidPaymentRequest,
    VoidPaymentResponse,
    payment_server::{Payment, PaymentServer},
};
use tonic::{
    Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};

use crate::Failure;

/// The argument that starts the servers instead of the bench.
pub(crate) const ARGUMENT: &str = "--serve";
const SERVERS: usize = 10;

/// The servers' process, killed on drop.
pub(crate) struct Servers {
    pub(crate) addresses: Vec<SocketAddr>,
    child: Child,
}

impl Drop for Servers {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts the servers' process.
pub(crate) fn start() -> Result<Servers, Failure> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg(ARGUMENT)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let stdout = child.stdout.take().ok_or("the child has no stdout")?;
    let mut servers = Servers { addresses: Vec::new(), child };
    for line in BufReader::new(stdout).lines().take(SERVERS) {
        servers.addresses.push(line?.parse()?);
    }
    Ok(servers)
}

/// Serves until the process is killed, or the bench has ended.
pub(crate) fn serve() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        for _ in 0..SERVERS {
            let incoming = TcpIncoming::bind(([127, 0, 0, 1], 0).into())?.with_nodelay(Some(true));
            println!("{}", incoming.local_addr()?);
            tokio::spawn(
                Server::builder().add_service(PaymentServer::new(Charges)).serve_with_incoming(incoming),
            );
        }
        std::io::stdout().flush()?;
        tokio::task::spawn_blocking(|| std::io::stdin().lines().for_each(drop)).await?;
        Ok(())
    })
}

/// A payment service that accepts every charge.
struct Charges;

#[tonic::async_trait]
impl Payment for Charges {
    async fn create(
        &self,
        _: Request<CreatePaymentRequest>,
    ) -> Result<Response<CreatePaymentResponse>, Status> {
        Ok(Response::new(CreatePaymentResponse { payment_id: 1, bill_id: 1 }))
    }

    async fn get(&self, _: Request<GetPaymentRequest>) -> Result<Response<GetPaymentResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn void(&self, _: Request<VoidPaymentRequest>) -> Result<Response<VoidPaymentResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}
