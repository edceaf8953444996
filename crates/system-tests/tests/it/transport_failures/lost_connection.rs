//! Connections and streams lost after the request was sent: the call may have run.

use std::net::{Ipv4Addr, SocketAddr};

use proto::order::{
    CreateOrderRequest, CreateOrderResponse, GetOrderRequest, GetOrderResponse, ListOrdersRequest,
    ListOrdersResponse,
    order_server::{Order, OrderServer},
};
use tokio::{net::TcpListener, runtime::Runtime, sync::mpsc};
use tonic::{
    Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};

use super::{
    NOT_STARTED, OUTCOME_UNKNOWN, UNAVAILABLE, assert_failure, assert_failures, assert_logged_once,
    assert_problem, call,
};
use crate::{
    backend::frames::{Action, CANCEL, FrameServer, INTERNAL_ERROR, NO_ERROR},
    gateway_fixture::{ALL_OPERATIONS, GatewayFixture, Operation},
    log_capture::LogCapture,
    support::WAIT_MAX,
};

const LOST: [super::ExpectedProblem; 2] = [OUTCOME_UNKNOWN, UNAVAILABLE];

/// An Order on its own runtime whose handlers never finish, so that it can be killed during a call.
struct KillableOrder {
    address: SocketAddr,
    began: mpsc::UnboundedReceiver<()>,
    runtime: Runtime,
}

struct Hanging(mpsc::UnboundedSender<()>);

impl Hanging {
    async fn run<T>(&self) -> Result<Response<T>, Status> {
        self.0.send(()).expect("the test waits");
        std::future::pending().await
    }
}

#[tonic::async_trait]
impl Order for Hanging {
    async fn create(&self, _: Request<CreateOrderRequest>) -> Result<Response<CreateOrderResponse>, Status> {
        self.run().await
    }

    async fn get(&self, _: Request<GetOrderRequest>) -> Result<Response<GetOrderResponse>, Status> {
        self.run().await
    }

    async fn list(&self, _: Request<ListOrdersRequest>) -> Result<Response<ListOrdersResponse>, Status> {
        self.run().await
    }
}

impl KillableOrder {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        listener.set_nonblocking(true).expect("a socket");
        let address = listener.local_addr().expect("a bound socket");
        let (sender, began) = mpsc::unbounded_channel();
        runtime.spawn(async move {
            let incoming = TcpIncoming::from(TcpListener::from_std(listener).expect("a socket"));
            Server::builder()
                .add_service(OrderServer::new(Hanging(sender)))
                .serve_with_incoming(incoming)
                .await
        });
        Self { address, began, runtime }
    }

    /// Waits for a call, then drops every task and closes every socket, as a kill would.
    async fn kill_during_call(mut self) {
        self.began.recv().await.expect("a call");
        let killed = tokio::task::spawn_blocking(|| self.runtime.shutdown_timeout(WAIT_MAX));
        killed.await.expect("an end");
    }
}

#[tokio::test]
async fn server_killed_during_the_call() {
    let log = LogCapture::start();
    for operation in ALL_OPERATIONS {
        let expected = if operation == Operation::Create { OUTCOME_UNKNOWN } else { UNAVAILABLE };
        let order = KillableOrder::start();
        let gateway = GatewayFixture::start(order.address).await;
        log.take_lines();
        let (response, ()) = tokio::join!(call(&gateway, operation), order.kill_during_call());
        assert_problem(&response, operation, expected);
        assert_logged_once(&log.take_lines(), "ConnectionLost");
        // Without a listener the next call is not started.
        assert_failure(&gateway, &log, operation, NOT_STARTED, "NeverRan").await;
    }
}

#[tokio::test]
async fn connection_or_stream_ended_after_the_request() {
    let log = LogCapture::start();
    for action in [
        Action::Close,
        Action::Reset(CANCEL),
        Action::Reset(INTERNAL_ERROR),
        Action::Reset(NO_ERROR),
        Action::GoAwayAfter(NO_ERROR),
        Action::GoAwayAfter(INTERNAL_ERROR),
    ] {
        let order = FrameServer::start(action).await;
        let gateway = GatewayFixture::start(order.address).await;
        assert_failures(&gateway, &log, LOST, "ConnectionLost").await;
    }
}
