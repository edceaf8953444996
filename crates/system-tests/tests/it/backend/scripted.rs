//! An Order server with the generated code that returns scripted responses and records its
//! requests.

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

/// A running server; it stops when dropped.
pub(crate) struct ScriptedOrder {
    pub(crate) address: SocketAddr,
    script: Arc<Mutex<Script>>,
    serving: AbortHandle,
}

/// The responses to return, and the requests received so far.
struct Script {
    create: Result<CreateOrderResponse, Status>,
    get: Result<GetOrderResponse, Status>,
    list: Result<ListOrdersResponse, Status>,
    metadata: HeaderMap,
    created: Option<CreateOrderRequest>,
    /// The order ids of all `Get` calls.
    gets: Vec<i64>,
}

impl ScriptedOrder {
    /// Starts a server that returns UNIMPLEMENTED until a response is set.
    pub(crate) async fn start() -> Self {
        let unset = || Status::unimplemented("the test set no response for this method");
        let script = Arc::new(Mutex::new(Script {
            create: Err(unset()),
            get: Err(unset()),
            list: Err(unset()),
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

    /// Every call fails with `status` from now on.
    pub(crate) fn fail_all(&self, status: &Status) {
        let mut script = self.script();
        script.create = Err(status.clone());
        script.get = Err(status.clone());
        script.list = Err(status.clone());
    }

    /// Sets the response of `Create`.
    pub(crate) fn set_create(&self, response: CreateOrderResponse) {
        self.script().create = Ok(response);
    }

    /// Sets the response of `Get`.
    pub(crate) fn set_get(&self, response: GetOrderResponse) {
        self.script().get = Ok(response);
    }

    /// Sets the response of `List`.
    pub(crate) fn set_list(&self, response: ListOrdersResponse) {
        self.script().list = Ok(response);
    }

    /// The metadata of the last call; empty before the first call.
    pub(crate) fn last_metadata(&self) -> HeaderMap {
        self.script().metadata.clone()
    }

    /// The request of the last `Create`.
    pub(crate) fn last_create(&self) -> CreateOrderRequest {
        self.script().created.clone().expect("a call to Create")
    }

    /// The number of `Get` calls.
    pub(crate) fn get_count(&self) -> usize {
        self.script().gets.len()
    }

    /// The number of `Get` calls for one order.
    pub(crate) fn get_count_of(&self, order_id: i64) -> usize {
        self.script().gets.iter().filter(|id| **id == order_id).count()
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().expect("the lock is not poisoned")
    }
}

impl Drop for ScriptedOrder {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

struct Handler(Arc<Mutex<Script>>);

impl Handler {
    fn record<T>(&self, request: &Request<T>) -> MutexGuard<'_, Script> {
        let mut script = self.0.lock().expect("the lock is not poisoned");
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
        let mut script = self.record(&request);
        script.created = Some(request.into_inner());
        script.create.clone().map(Response::new)
    }

    async fn get(&self, request: Request<GetOrderRequest>) -> Result<Response<GetOrderResponse>, Status> {
        let mut script = self.record(&request);
        script.gets.push(request.get_ref().order_id);
        script.get.clone().map(Response::new)
    }

    async fn list(
        &self,
        request: Request<ListOrdersRequest>,
    ) -> Result<Response<ListOrdersResponse>, Status> {
        self.record(&request).list.clone().map(Response::new)
    }
}
