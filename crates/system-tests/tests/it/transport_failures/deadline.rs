//! The gateway's own deadline.

use std::time::{Duration, Instant};

use super::{OUTCOME_UNKNOWN, TIMED_OUT, assert_failures};
use crate::{
    backend::http2::{self, Http2Server},
    gateway_fixture::GatewayFixture,
    log_capture::LogCapture,
};

const TIMEOUT: Duration = Duration::from_millis(300);
/// Far above the deadline, and far below the default request timeout.
const BOUND: Duration = Duration::from_secs(5);

async fn assert_deadline_exceeded(order: &Http2Server) {
    let log = LogCapture::start();
    let timeout = TIMEOUT.as_millis().to_string();
    let gateway =
        GatewayFixture::start_with(order.address, &[("REQUEST_TIMEOUT_MS", timeout.as_str())]).await;
    let began = Instant::now();
    assert_failures(&gateway, &log, [OUTCOME_UNKNOWN, TIMED_OUT], "DeadlineExceeded").await;
    assert!((3 * TIMEOUT..BOUND).contains(&began.elapsed()), "{:?}", began.elapsed());
}

#[tokio::test]
async fn hanging_order() {
    assert_deadline_exceeded(&Http2Server::hanging().await).await;
}

#[tokio::test]
async fn response_body_that_never_ends() {
    assert_deadline_exceeded(&Http2Server::responding(http2::stalled).await).await;
}
