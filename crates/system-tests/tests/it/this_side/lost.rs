//! Calls whose connection or stream was lost after they were sent: they may have run.

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

use super::{NOT_STARTED, OUTCOME_UNKNOWN, UNAVAILABLE, ask, hold, hold_every, holds, is_logged_once};
use crate::{
    backend::frames::{CANCEL, Frames, INTERNAL_ERROR, NO_ERROR, Then},
    front::{Ask, EVERY_ASK, Front},
    log::Log,
    support::PATIENCE,
};

const LOST: [super::Told; 2] = [OUTCOME_UNKNOWN, UNAVAILABLE];

/// An Order on a runtime of its own, whose handlers never finish: it can be killed while they run.
struct Doomed {
    address: SocketAddr,
    began: mpsc::UnboundedReceiver<()>,
    runtime: Runtime,
}

struct Endless(mpsc::UnboundedSender<()>);

impl Endless {
    async fn run<T>(&self) -> Result<Response<T>, Status> {
        self.0.send(()).expect("the test waits");
        std::future::pending().await
    }
}

#[tonic::async_trait]
impl Order for Endless {
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

impl Doomed {
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
                .add_service(OrderServer::new(Endless(sender)))
                .serve_with_incoming(incoming)
                .await
        });
        Self { address, began, runtime }
    }

    /// Ends it as a kill would, once a handler runs: every task is dropped where it is, every socket closed.
    async fn kill_while_it_works(mut self) {
        self.began.recv().await.expect("a call");
        let killed = tokio::task::spawn_blocking(|| self.runtime.shutdown_timeout(PATIENCE));
        killed.await.expect("an end");
    }
}

#[tokio::test]
async fn a_server_killed_while_it_worked_on_the_call() {
    let log = Log::keep();
    for how in EVERY_ASK {
        let told = if how == Ask::Post { OUTCOME_UNKNOWN } else { UNAVAILABLE };
        let order = Doomed::start();
        let gateway = Front::of(order.address).await;
        log.lines();
        let (answer, ()) = tokio::join!(ask(&gateway, how), order.kill_while_it_works());
        holds(&answer, how, told);
        is_logged_once(&log.lines(), "Lost");
        // Where nobody listens any more the next call never runs.
        hold(&gateway, &log, how, NOT_STARTED, "NeverRan").await;
    }
}

#[tokio::test]
async fn a_connection_cut_after_the_request_was_received() {
    let log = Log::keep();
    let order = Frames::start(Then::Cut).await;
    let gateway = Front::of(order.address).await;
    hold_every(&gateway, &log, LOST, "Lost").await;
}

#[tokio::test]
async fn a_stream_that_was_reset_for_any_other_reason_than_that_it_was_refused() {
    let log = Log::keep();
    for code in [CANCEL, INTERNAL_ERROR, NO_ERROR] {
        let order = Frames::start(Then::Reset(code)).await;
        let gateway = Front::of(order.address).await;
        hold_every(&gateway, &log, LOST, "Lost").await;
    }
}

#[tokio::test]
async fn a_goodbye_that_covers_the_call_promises_nothing_of_it() {
    let log = Log::keep();
    for code in [NO_ERROR, INTERNAL_ERROR] {
        let order = Frames::start(Then::GoAwayAfter(code)).await;
        let gateway = Front::of(order.address).await;
        hold_every(&gateway, &log, LOST, "Lost").await;
    }
}
