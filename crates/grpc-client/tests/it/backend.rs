//! A gRPC server on a runtime of its own, which can be shut down gracefully or killed.

use std::{
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, AtomicUsize, Ordering},
    },
    time::Duration,
};

use grpc_client::timeout;
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

type HandlerFuture = Pin<Box<dyn Future<Output = Result<Response<GetOrderResponse>, Status>> + Send>>;

/// The handler of `Order/Get`. The other methods return UNIMPLEMENTED.
#[derive(Clone)]
pub(crate) struct Handler(Arc<dyn Fn(Request<GetOrderRequest>) -> HandlerFuture + Send + Sync>);

impl Handler {
    pub(crate) fn new<F>(handle: impl Fn(Request<GetOrderRequest>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Response<GetOrderResponse>, Status>> + Send + 'static,
    {
        Self(Arc::new(move |request| Box::pin(handle(request))))
    }

    /// Returns an order with the requested id.
    pub(crate) fn echo() -> Self {
        Self::new(|request| async move { Ok(Response::new(order(request.get_ref().order_id))) })
    }

    /// As [`echo`](Self::echo), after `wait`; `entered` counts the calls.
    pub(crate) fn echo_after(wait: Duration, entered: &Arc<AtomicUsize>) -> Self {
        let entered = entered.clone();
        Self::new(move |request| {
            entered.fetch_add(1, Ordering::Relaxed);
            async move {
                tokio::time::sleep(wait).await;
                Ok(Response::new(order(request.get_ref().order_id)))
            }
        })
    }

    /// Returns `status` for every call; `entered` counts the calls.
    pub(crate) fn failing(status: Status, entered: &Arc<AtomicUsize>) -> Self {
        let entered = entered.clone();
        Self::new(move |_| {
            entered.fetch_add(1, Ordering::Relaxed);
            std::future::ready(Err(status.clone()))
        })
    }

    /// Returns UNAVAILABLE for the first `failures` calls, and an order for the others.
    pub(crate) fn failing_first(failures: usize) -> Self {
        let calls = AtomicUsize::new(0);
        Self::new(move |_| {
            let fails = calls.fetch_add(1, Ordering::Relaxed) < failures;
            std::future::ready(if fails { Err(Status::unavailable("")) } else { Ok(Response::new(order(1))) })
        })
    }

    /// Returns an order after `wait`. Records the `grpc-timeout` of each call in `timeouts`.
    pub(crate) fn recording_timeouts(wait: Duration, timeouts: &Arc<Mutex<Vec<Duration>>>) -> Self {
        let timeouts = timeouts.clone();
        Self::new(move |request| {
            let headers = request.metadata().clone().into_headers();
            timeouts.lock().unwrap().push(timeout::parse(&headers[timeout::GRPC_TIMEOUT]).unwrap());
            async move {
                tokio::time::sleep(wait).await;
                Ok(Response::new(order(1)))
            }
        })
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

/// A loopback address that no other test of this process uses (on Linux), so that no other test takes the
/// port of a stopped server.
pub(crate) fn own_ip() -> Ipv4Addr {
    static NEXT: AtomicU16 = AtomicU16::new(1);
    let [high, low] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    if cfg!(target_os = "linux") { Ipv4Addr::new(127, 77, high, low) } else { Ipv4Addr::LOCALHOST }
}

/// A running server, killed on drop.
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    runtime: Option<Runtime>,
    shutdown: Option<oneshot::Sender<()>>,
    ended: Option<oneshot::Receiver<()>>,
}

impl Backend {
    pub(crate) fn start(handler: Handler) -> Self {
        Self::start_at((own_ip(), 0).into(), handler)
    }

    /// `N` servers, and a counter for each.
    pub(crate) fn start_each<const N: usize>(
        handler: impl Fn(usize, &Arc<AtomicUsize>) -> Handler,
    ) -> ([Self; N], [Arc<AtomicUsize>; N]) {
        let counts = std::array::from_fn(|_| Arc::default());
        (std::array::from_fn(|index| Self::start(handler(index, &counts[index]))), counts)
    }

    /// As [`start`](Self::start), on a given address.
    pub(crate) fn start_at(address: SocketAddr, handler: Handler) -> Self {
        let listener = std::net::TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (shutdown, shutdown_requested) = oneshot::channel::<()>();
        let (end, ended) = oneshot::channel();
        runtime.spawn(async move {
            let incoming =
                TcpIncoming::from(TcpListener::from_std(listener).unwrap()).with_nodelay(Some(true));
            let server = Server::builder().add_service(OrderServer::new(handler));
            server
                .serve_with_incoming_shutdown(incoming, async {
                    let _ = shutdown_requested.await;
                })
                .await
                .unwrap();
            let _ = end.send(());
        });
        Self { address, runtime: Some(runtime), shutdown: Some(shutdown), ended: Some(ended) }
    }

    /// Shuts down gracefully: finishes the calls in flight and accepts no new ones.
    pub(crate) async fn shut_down(mut self) {
        self.shutdown.take();
        let _ = self.ended.take().unwrap().await;
    }

    /// Ends at once, like `kill -9`: drops every task and closes every socket.
    pub(crate) async fn kill(mut self) {
        let runtime = self.runtime.take().unwrap();
        tokio::task::spawn_blocking(move || runtime.shutdown_timeout(Duration::from_secs(5))).await.unwrap();
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
