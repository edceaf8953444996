//! An honest gRPC server on a runtime of its own: it can be stopped politely, or killed with everything in it.

use std::{
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::Arc,
};

use proto::order::{
    CreateOrderRequest, CreateOrderResponse, GetOrderRequest, GetOrderResponse, ListOrdersRequest,
    ListOrdersResponse,
    order_server::{Order, OrderServer},
};
use tokio::{net::TcpListener, runtime::Runtime, sync::oneshot};
use tonic::{
    Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};

type Answer = Pin<Box<dyn Future<Output = Result<Response<GetOrderResponse>, Status>> + Send>>;

/// What `Order/Get` does; the other methods are not implemented.
#[derive(Clone)]
pub(crate) struct Handler(Arc<dyn Fn(Request<GetOrderRequest>) -> Answer + Send + Sync>);

impl Handler {
    pub(crate) fn new<F>(answer: impl Fn(Request<GetOrderRequest>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Response<GetOrderResponse>, Status>> + Send + 'static,
    {
        Self(Arc::new(move |request| Box::pin(answer(request))))
    }

    /// Answers with the id that was asked for.
    pub(crate) fn echo() -> Self {
        Self::new(|request| async move { Ok(Response::new(order(request.get_ref().order_id))) })
    }
}

pub(crate) fn order(id: i64) -> GetOrderResponse {
    GetOrderResponse { order_id: id, ..GetOrderResponse::default() }
}

#[tonic::async_trait]
impl Order for Handler {
    async fn get(&self, request: Request<GetOrderRequest>) -> Result<Response<GetOrderResponse>, Status> {
        (self.0)(request).await
    }

    async fn create(&self, _: Request<CreateOrderRequest>) -> Result<Response<CreateOrderResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn list(&self, _: Request<ListOrdersRequest>) -> Result<Response<ListOrdersResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}

/// A running server; killed when dropped.
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    runtime: Option<Runtime>,
    drain: Option<oneshot::Sender<()>>,
    ended: Option<oneshot::Receiver<()>>,
}

impl Backend {
    pub(crate) fn start(handler: Handler) -> Self {
        Self::start_at((Ipv4Addr::LOCALHOST, 0).into(), handler)
    }

    /// As [`start`](Self::start), on an address that an earlier one may have had.
    pub(crate) fn start_at(address: SocketAddr, handler: Handler) -> Self {
        let listener = std::net::TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (drain, drained) = oneshot::channel::<()>();
        let (end, ended) = oneshot::channel();
        runtime.spawn(async move {
            let incoming =
                TcpIncoming::from(TcpListener::from_std(listener).unwrap()).with_nodelay(Some(true));
            let server = Server::builder().add_service(OrderServer::new(handler));
            server
                .serve_with_incoming_shutdown(incoming, async {
                    let _ = drained.await;
                })
                .await
                .unwrap();
            let _ = end.send(());
        });
        Self { address, runtime: Some(runtime), drain: Some(drain), ended: Some(ended) }
    }

    /// Finishes what is in flight, takes nothing new, and ends.
    pub(crate) async fn stop(mut self) {
        self.drain.take();
        let _ = self.ended.take().unwrap().await;
    }

    /// Ends at once, as `kill -9` would: every task is dropped where it is, every socket closed.
    pub(crate) async fn kill(mut self) {
        let runtime = self.runtime.take().unwrap();
        tokio::task::spawn_blocking(move || runtime.shutdown_timeout(std::time::Duration::from_secs(5)))
            .await
            .unwrap();
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
