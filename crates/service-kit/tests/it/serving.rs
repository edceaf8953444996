//! A server under test, of service-kit, whose `Order/Get` runs the test's closure.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use grpc_client::tls::ServerTls;
use proto::order::{
    CreateOrderRequest, CreateOrderResponse, GetOrderRequest, GetOrderResponse, ListOrdersRequest,
    ListOrdersResponse,
    order_client::OrderClient,
    order_server::{Order, OrderServer},
};
use service_kit::{
    CancellationToken,
    admin::{ACCEPTING, Admin, Readiness},
    env::Mode,
    grpc::{ConnectionAge, ServeError, Server},
    metrics::{Registry, ServerMetrics},
    process::{BoundSocket, Process, Sockets},
    trace::Tracer,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
};
use tokio_util::task::TaskTracker;
use tonic::{Request, Response, Status, service::Routes, transport::Channel};

/// An upper bound on every step of a test, with reserve for a busy machine.
pub(crate) const BOUND: Duration = Duration::from_secs(20);

type ResponseFuture = Pin<Box<dyn Future<Output = Result<Response<GetOrderResponse>, Status>> + Send>>;

/// The closure of `Order/Get`. `Order/Create` responds with the length of the idempotency key as order id.
#[derive(Clone)]
pub(crate) struct Handler(Arc<dyn Fn(Request<GetOrderRequest>) -> ResponseFuture + Send + Sync>);

impl Handler {
    pub(crate) fn new<F>(get: impl Fn(Request<GetOrderRequest>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Response<GetOrderResponse>, Status>> + Send + 'static,
    {
        Self(Arc::new(move |request| Box::pin(get(request))))
    }

    /// Responds to the id 0 with NOT_FOUND, and to another with an order of that id.
    pub(crate) fn echo() -> Self {
        Self::new(|request| async move {
            match request.get_ref().order_id {
                0 => Err(Status::not_found("no such order")),
                id => Ok(order(id)),
            }
        })
    }
}

pub(crate) fn order(id: i64) -> Response<GetOrderResponse> {
    Response::new(GetOrderResponse { order_id: id, ..GetOrderResponse::default() })
}

pub(crate) fn get(id: i64) -> Request<GetOrderRequest> {
    Request::new(GetOrderRequest { order_id: id, user_id: 0 })
}

#[tonic::async_trait]
impl Order for Handler {
    async fn get(&self, request: Request<GetOrderRequest>) -> Result<Response<GetOrderResponse>, Status> {
        (self.0)(request).await
    }

    async fn create(
        &self,
        request: Request<CreateOrderRequest>,
    ) -> Result<Response<CreateOrderResponse>, Status> {
        let order_id = i64::try_from(request.get_ref().idempotency_key.len()).unwrap();
        Ok(Response::new(CreateOrderResponse { order_id, ..CreateOrderResponse::default() }))
    }

    async fn list(&self, _: Request<ListOrdersRequest>) -> Result<Response<ListOrdersResponse>, Status> {
        Err(Status::permission_denied("not here"))
    }
}

/// A server that does not listen yet.
pub(crate) struct Starting {
    pub(crate) address: SocketAddr,
    pub(crate) readiness: Readiness,
    server: Server,
    routes: Routes,
    socket: BoundSocket,
    admin_address: SocketAddr,
    admin: Admin,
}

impl Starting {
    pub(crate) async fn new(mode: Mode, handler: Handler) -> Self {
        Self::at_port(0, mode, handler).await
    }

    /// A server at `port`, which must be free; 0 for any port.
    pub(crate) async fn at_port(port: u16, mode: Mode, handler: Handler) -> Self {
        let mut process = Process::on_loopback(mode);
        process.service_address.set_port(port);
        let Sockets { service: socket, admin } = Sockets::bind(&process).await.unwrap();
        let (address, admin_address) = (socket.local_addr(), admin.local_addr().unwrap());
        let (readiness, mut registry) = (Readiness::default(), Registry::default());
        let server = Server {
            domain: "order",
            mode,
            services: &["Order"],
            descriptor_set: proto::ORDER_DESCRIPTOR_SET,
            readiness: readiness.clone(),
            metrics: ServerMetrics::register(&mut registry),
            tracer: Tracer::default(),
            tasks: TaskTracker::new(),
            tls: None,
            connection_age: ConnectionAge::default(),
        };
        let admin = Admin::start(admin, readiness.clone(), Arc::new(registry));
        let routes = Routes::new(OrderServer::new(handler));
        Self { address, readiness, server, routes, socket, admin_address, admin }
    }

    /// The same server with TLS.
    pub(crate) fn with_tls(mut self, tls: ServerTls) -> Self {
        self.server.tls = Some(tls);
        self
    }

    /// The same server with connections of this age.
    pub(crate) fn with_connection_age(mut self, age: Duration) -> Self {
        self.server.connection_age = ConnectionAge::of(age);
        self
    }

    /// Status and body of an admin page.
    pub(crate) async fn admin(&self, path: &str) -> (u16, String) {
        page(self.admin_address, path).await
    }

    /// Serves, which must fail, and returns the error.
    pub(crate) async fn fail(self) -> ServeError {
        let Self { server, routes, socket, .. } = self;
        soon(server.serve(routes, socket, CancellationToken::new(), async {})).await.unwrap_err()
    }

    /// Serves, and returns once it listens.
    pub(crate) async fn serve(self) -> Serving {
        self.serve_before(async {}).await
    }

    /// As [`serve`](Self::serve), with `last` as the last step of the shutdown.
    pub(crate) async fn serve_before(self, last: impl Future<Output = ()> + Send + 'static) -> Serving {
        let Self { address, readiness, server, routes, socket, admin_address, admin: _admin } = self;
        let (shutdown, tasks) = (CancellationToken::new(), server.tasks.clone());
        let served = tokio::spawn(server.serve(routes, socket, shutdown.clone(), last));
        soon(readiness.subscribe().wait_for(|conditions| conditions.contains_key(ACCEPTING))).await.unwrap();
        Serving { address, readiness, shutdown, served, tasks, admin_address, _admin }
    }
}

async fn page(address: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// A running server.
pub(crate) struct Serving {
    pub(crate) address: SocketAddr,
    pub(crate) readiness: Readiness,
    pub(crate) shutdown: CancellationToken,
    pub(crate) served: JoinHandle<Result<(), ServeError>>,
    /// Tasks that shutdown waits for.
    pub(crate) tasks: TaskTracker,
    admin_address: SocketAddr,
    _admin: Admin,
}

impl Serving {
    pub(crate) async fn start(handler: Handler) -> Self {
        Self::start_in(Mode::Production, handler).await
    }

    pub(crate) async fn start_in(mode: Mode, handler: Handler) -> Self {
        Starting::new(mode, handler).await.serve().await
    }

    /// A new connection.
    pub(crate) async fn connect(&self) -> Channel {
        Channel::from_shared(format!("http://{}", self.address)).unwrap().connect().await.unwrap()
    }

    pub(crate) async fn client(&self) -> OrderClient<Channel> {
        OrderClient::new(self.connect().await)
    }

    /// Status and body of an admin page.
    pub(crate) async fn admin(&self, path: &str) -> (u16, String) {
        page(self.admin_address, path).await
    }

    /// The value of one sample on the metrics page; 0 if it is absent.
    pub(crate) async fn metric(&self, sample: &str) -> u64 {
        let (_, page) = self.admin("/metrics").await;
        page.lines()
            .find_map(|line| line.strip_prefix(sample)?.strip_prefix(' ')?.parse().ok())
            .unwrap_or_default()
    }
}

/// The output of `future`, which must be ready within [`BOUND`].
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(BOUND, future).await.unwrap()
}

/// Polls `condition` until it holds, for at most [`BOUND`].
pub(crate) async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !condition().await {
        assert!(started.elapsed() < BOUND, "timed out: {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
