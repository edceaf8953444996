//! The gateway's own deadline: it ends every request, whatever Order does.

use std::time::{Duration, Instant};

use super::{OUTCOME_UNKNOWN, TIMED_OUT, hold_every};
use crate::{
    backend::http2::{self, Http2},
    front::Front,
    log::Log,
};

const TIMEOUT: Duration = Duration::from_millis(300);
/// Far above the deadline, and far below what a request is given by default.
const BOUND: Duration = Duration::from_secs(5);

async fn hold_within_bound(order: &Http2) {
    let log = Log::keep();
    let timeout = TIMEOUT.as_millis().to_string();
    let gateway = Front::with(order.address, &[("REQUEST_TIMEOUT_MS", timeout.as_str())]).await;
    let began = Instant::now();
    hold_every(&gateway, &log, [OUTCOME_UNKNOWN, TIMED_OUT], "DeadlineExceeded").await;
    assert!((3 * TIMEOUT..BOUND).contains(&began.elapsed()), "{:?}", began.elapsed());
}

#[tokio::test]
async fn an_order_that_hangs() {
    hold_within_bound(&Http2::hanging().await).await;
}

#[tokio::test]
async fn an_answer_that_begins_and_does_not_end() {
    hold_within_bound(&Http2::answering(http2::stalled).await).await;
}
