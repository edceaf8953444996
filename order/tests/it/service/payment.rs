//! A scripted gRPC server as Payment, in its own runtime, so that a test can kill it as a process.

use std::{
    collections::VecDeque,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
};

use proto::payment::{
    CreatePaymentRequest, CreatePaymentResponse, GetPaymentRequest, GetPaymentResponse, VoidPaymentRequest,
    VoidPaymentResponse,
    payment_server::{Payment, PaymentServer},
};
use tokio::{
    net::TcpListener,
    runtime::Runtime,
    sync::{Semaphore, watch},
};
use tonic::{
    Request, Response, Status,
    metadata::MetadataMap,
    transport::{Server, server::TcpIncoming},
};

/// The reply to a call.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// A charge.
    Charged,
    /// A success without a payment id.
    WithoutId,
    /// This status.
    Fails(Status),
    /// A charge, once the semaphore has a permit.
    ChargedWithPermit(Arc<Semaphore>),
}

/// The message and the metadata of a call.
pub(crate) type Call = (CreatePaymentRequest, MetadataMap);

#[derive(Debug, Clone)]
struct Scripted {
    script: Arc<Mutex<VecDeque<Reply>>>,
    calls: watch::Sender<Vec<Call>>,
}

#[tonic::async_trait]
impl Payment for Scripted {
    async fn create(
        &self,
        request: Request<CreatePaymentRequest>,
    ) -> Result<Response<CreatePaymentResponse>, Status> {
        let (metadata, _, message) = request.into_parts();
        self.calls.send_modify(|calls| calls.push((message, metadata)));
        let reply = self.script.lock().unwrap().pop_front().unwrap_or(Reply::Charged);
        match reply {
            Reply::Charged => {}
            Reply::WithoutId => return Ok(Response::new(CreatePaymentResponse::default())),
            Reply::Fails(status) => return Err(status),
            Reply::ChargedWithPermit(permits) => permits.acquire().await.unwrap().forget(),
        }
        Ok(Response::new(CreatePaymentResponse { payment_id: 1, bill_id: 2 }))
    }

    async fn get(&self, _: Request<GetPaymentRequest>) -> Result<Response<GetPaymentResponse>, Status> {
        Err(Status::unimplemented("not called when an order is placed"))
    }

    async fn void(&self, _: Request<VoidPaymentRequest>) -> Result<Response<VoidPaymentResponse>, Status> {
        Err(Status::unimplemented("not called when an order is placed"))
    }
}

/// A running server; killed when dropped.
pub(crate) struct FakePayment {
    pub(crate) address: SocketAddr,
    scripted: Scripted,
    runtime: Option<Runtime>,
}

impl FakePayment {
    pub(crate) fn start() -> Self {
        let scripted = Scripted { script: Arc::default(), calls: watch::Sender::new(Vec::new()) };
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let payment = PaymentServer::new(scripted.clone());
        runtime.spawn(async move {
            let incoming = TcpIncoming::from(TcpListener::from_std(listener).unwrap());
            Server::builder().add_service(payment).serve_with_incoming(incoming).await.unwrap();
        });
        Self { address, scripted, runtime: Some(runtime) }
    }

    /// Scripts the next replies. Later calls are charged.
    pub(crate) fn next(&self, replies: impl IntoIterator<Item = Reply>) {
        self.scripted.script.lock().unwrap().extend(replies);
    }

    /// Scripts the next call to be charged once the semaphore has a permit.
    pub(crate) fn hold(&self) -> Arc<Semaphore> {
        let permits = Arc::new(Semaphore::new(0));
        self.next([Reply::ChargedWithPermit(permits.clone())]);
        permits
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.scripted.calls.borrow().clone()
    }

    /// Returns after so many calls.
    pub(crate) async fn called(&self, times: usize) {
        self.scripted.calls.subscribe().wait_for(|calls| calls.len() >= times).await.unwrap();
    }

    /// Drops every task and socket.
    pub(crate) fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for FakePayment {
    fn drop(&mut self) {
        self.kill();
    }
}
