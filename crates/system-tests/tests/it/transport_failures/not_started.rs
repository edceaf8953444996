//! Calls that provably did not run.

use std::net::Ipv4Addr;

use tokio::net::TcpListener;

use super::{NOT_STARTED, assert_failures, assert_problem, call};
use crate::{
    backend::frames::{Action, FrameServer, REFUSED_STREAM},
    gateway_fixture::{ALL_OPERATIONS, GatewayFixture},
    log_capture::LogCapture,
};

const NEVER_RAN: [super::ExpectedProblem; 2] = [NOT_STARTED, NOT_STARTED];

#[tokio::test]
async fn connection_refused() {
    let log = LogCapture::start();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let gateway = GatewayFixture::start(address).await;
    assert_failures(&gateway, &log, NEVER_RAN, "NeverRan").await;

    for operation in ALL_OPERATIONS {
        log.take_lines();
        let response = call(&gateway, operation).await;
        assert_problem(&response, operation, NOT_STARTED);
        let text = format!("{:?} {}", response.headers, String::from_utf8_lossy(&response.body));
        assert!(!text.contains(&address.port().to_string()), "{text}");
        // The log has the cause that the response hides.
        let lines = log.take_lines();
        let causes: Vec<_> = lines.iter().filter(|line| line.contains("onnection refused")).collect();
        assert_eq!(causes.len(), 1, "{lines:#?}");
    }
}

#[tokio::test]
async fn stream_not_processed_by_the_server() {
    let log = LogCapture::start();
    for action in [Action::Reset(REFUSED_STREAM), Action::GoAwayBefore] {
        let order = FrameServer::start(action).await;
        let gateway = GatewayFixture::start(order.address).await;
        assert_failures(&gateway, &log, NEVER_RAN, "NeverRan").await;
    }
}
