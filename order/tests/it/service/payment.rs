//! A gRPC server in Payment's place: it does as a test says, in a runtime of its own, so that it can be
//! killed as a process is.

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

/// How a call ends.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// With a charge.
    Charged,
    /// With a success that names no payment.
    Nameless,
    /// With this status.
    Fails(Status),
    /// With a charge, once the test adds a permit.
    ChargedWhenLet(Arc<Semaphore>),
}

/// One call: its message, and the metadata that came with it.
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
            Reply::Nameless => return Ok(Response::new(CreatePaymentResponse::default())),
            Reply::Fails(status) => return Err(status),
            Reply::ChargedWhenLet(gate) => gate.acquire().await.unwrap().forget(),
        }
        Ok(Response::new(CreatePaymentResponse { payment_id: 1, bill_id: 2 }))
    }

    async fn get(&self, _: Request<GetPaymentRequest>) -> Result<Response<GetPaymentResponse>, Status> {
        Err(Status::unimplemented("not called by an order that is placed"))
    }

    async fn void(&self, _: Request<VoidPaymentRequest>) -> Result<Response<VoidPaymentResponse>, Status> {
        Err(Status::unimplemented("not called by an order that is placed"))
    }
}

/// A running Payment; killed when dropped.
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

    /// The next calls end like this, one after the other; those after them with a charge.
    pub(crate) fn next(&self, replies: impl IntoIterator<Item = Reply>) {
        self.scripted.script.lock().unwrap().extend(replies);
    }

    /// The next call charges once a permit is added to what is returned.
    pub(crate) fn hold(&self) -> Arc<Semaphore> {
        let gate = Arc::new(Semaphore::new(0));
        self.next([Reply::ChargedWhenLet(gate.clone())]);
        gate
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.scripted.calls.borrow().clone()
    }

    /// Returns once it has been called so often.
    pub(crate) async fn called(&self, times: usize) {
        self.scripted.calls.subscribe().wait_for(|calls| calls.len() >= times).await.unwrap();
    }

    /// Drops every task and socket at once.
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
