//! An Order server, served by the generated code, that answers what a test tells it to and remembers what
//! it was asked.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard},
};

use http::HeaderMap;
use proto::order::{
    CreateOrderRequest, CreateOrderResponse, GetOrderRequest, GetOrderResponse, ListOrdersRequest,
    ListOrdersResponse,
    order_server::{Order, OrderServer},
};
use tokio::{net::TcpListener, task::AbortHandle};
use tonic::{
    Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};

/// A running server; it ends when this is dropped.
pub(crate) struct Scripted {
    pub(crate) address: SocketAddr,
    script: Arc<Mutex<Script>>,
    serving: AbortHandle,
}

/// What the server answers from now on, and what it was asked so far.
struct Script {
    create: Result<CreateOrderResponse, Status>,
    get: Result<GetOrderResponse, Status>,
    list: Result<ListOrdersResponse, Status>,
    metadata: HeaderMap,
    created: Option<CreateOrderRequest>,
    /// The orders that `Get` was called for, one after the other.
    gets: Vec<i64>,
}

impl Scripted {
    /// A server whose every answer is a failure until it is told otherwise.
    pub(crate) async fn start() -> Self {
        let untold = || Status::unimplemented("the test said nothing of this call");
        let script = Arc::new(Mutex::new(Script {
            create: Err(untold()),
            get: Err(untold()),
            list: Err(untold()),
            metadata: HeaderMap::new(),
            created: None,
            gets: Vec::new(),
        }));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        let service = OrderServer::new(Handler(script.clone()));
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let serving = tokio::spawn(Server::builder().add_service(service).serve_with_incoming(incoming));
        Self { address, script, serving: serving.abort_handle() }
    }

    /// From now on every call fails with `status`.
    pub(crate) fn fail(&self, status: &Status) {
        let mut script = self.script();
        script.create = Err(status.clone());
        script.get = Err(status.clone());
        script.list = Err(status.clone());
    }

    /// From now on `Create` is answered with `answer`.
    pub(crate) fn create(&self, answer: CreateOrderResponse) {
        self.script().create = Ok(answer);
    }

    /// From now on `Get` is answered with `answer`.
    pub(crate) fn get(&self, answer: GetOrderResponse) {
        self.script().get = Ok(answer);
    }

    /// From now on `List` is answered with `answer`.
    pub(crate) fn list(&self, answer: ListOrdersResponse) {
        self.script().list = Ok(answer);
    }

    /// The metadata of the last call.
    pub(crate) fn metadata(&self) -> HeaderMap {
        self.script().metadata.clone()
    }

    /// The request of the last `Create`.
    pub(crate) fn created(&self) -> CreateOrderRequest {
        self.script().created.clone().expect("a call to Create")
    }

    /// How often `Get` was called.
    pub(crate) fn gets(&self) -> usize {
        self.script().gets.len()
    }

    /// The same for this order.
    pub(crate) fn gets_of(&self, order_id: i64) -> usize {
        self.script().gets.iter().filter(|asked| **asked == order_id).count()
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().expect("no panic while it is held")
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

struct Handler(Arc<Mutex<Script>>);

impl Handler {
    fn asked<T>(&self, request: &Request<T>) -> MutexGuard<'_, Script> {
        let mut script = self.0.lock().expect("no panic while it is held");
        script.metadata = request.metadata().clone().into_headers();
        script
    }
}

#[tonic::async_trait]
impl Order for Handler {
    async fn create(
        &self,
        request: Request<CreateOrderRequest>,
    ) -> Result<Response<CreateOrderResponse>, Status> {
        let mut script = self.asked(&request);
        script.created = Some(request.into_inner());
        script.create.clone().map(Response::new)
    }

    async fn get(&self, request: Request<GetOrderRequest>) -> Result<Response<GetOrderResponse>, Status> {
        let mut script = self.asked(&request);
        script.gets.push(request.get_ref().order_id);
        script.get.clone().map(Response::new)
    }

    async fn list(
        &self,
        request: Request<ListOrdersRequest>,
    ) -> Result<Response<ListOrdersResponse>, Status> {
        self.asked(&request).list.clone().map(Response::new)
    }
}
