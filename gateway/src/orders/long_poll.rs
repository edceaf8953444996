//! Reading one order: waiting until it settles, for a caller that prefers so, and telling one that has it already.

use std::time::Duration;

use axum::response::Response;
use grpc_client::Deadline;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use proto::order::{GetOrderRequest, GetOrderResponse, OrderStatus};
use tokio::time::{Instant, sleep_until};
use tonic::Status;

use super::{call, json, response::Order};
use crate::{
    conditional::{Etag, apply_if_none_match},
    limits, prefer,
    problem::Problem,
    state::AppState,
};

/// How an order is told that changes no more: whoever keeps it asks each time whether it may be used, since who may
/// read it can change, and is told 304.
const FINAL: HeaderValue = HeaderValue::from_static("private, no-cache");
/// What an answer about an order depends on beside its address.
const VARY: HeaderValue = HeaderValue::from_static("accept-encoding, authorization, prefer");

/// The order that `request` names and the seconds that the caller's preference was heeded for. An order that is PENDING
/// is asked for again, until it settles, the time is over or the gateway stops; dropping the future ends it.
///
/// # Errors
///
/// The first call's failure, as `failed` tells it. A later one ends the waiting with what is known.
pub(super) async fn settled(
    shared: &AppState,
    headers: &HeaderMap,
    request: GetOrderRequest,
    deadline: Deadline,
    failed: impl Fn(Status) -> Problem,
) -> Result<(GetOrderResponse, Option<u32>), Problem> {
    // Who waits has a place among those in flight only while Order is asked.
    let ask = async || {
        let _permit = shared.load_limits.try_acquire()?;
        let answer = shared.orders.clone().get(call(request, deadline)).await;
        answer.map(tonic::Response::into_inner).map_err(&failed)
    };
    let asked_at = Instant::now();
    let mut answer = ask().await?;
    let Some(seconds) = prefer::wait_seconds(headers) else { return Ok((answer, None)) };
    if !is_pending(&answer) {
        return Ok((answer, Some(seconds)));
    }
    let Ok(_permit) = shared.long_polls.try_acquire() else { return Ok((answer, None)) };
    let wanted = asked_at + Duration::from_secs(seconds.into());
    let last = deadline.0.checked_sub(limits::LONG_POLL_MARGIN).map_or(asked_at, |last| last.min(wanted));
    let mut pause = limits::LONG_POLL_PAUSE_MIN;
    while is_pending(&answer) && Instant::now() < last && shared.readiness.is_ready() {
        sleep_until(last.min(Instant::now() + pause)).await;
        pause = (pause * 2).min(limits::LONG_POLL_PAUSE_MAX);
        match ask().await {
            Ok(later) => answer = later,
            Err(_) => break,
        }
    }
    Ok((answer, Some(seconds)))
}

fn is_pending(answer: &GetOrderResponse) -> bool {
    answer.status == OrderStatus::Pending as i32
}

/// The answer with `order` to a caller with these headers, whose preference was heeded for `waited` seconds.
pub(super) fn told(headers: &HeaderMap, order: &Order<'_>, waited: Option<u32>) -> Response {
    let (mut response, bytes) = json(StatusCode::OK, order);
    response.headers_mut().insert(header::VARY, VARY);
    if let Some(seconds) = waited {
        response.headers_mut().insert(prefer::PREFERENCE_APPLIED, prefer::applied(seconds));
    }
    if !order.is_final() {
        return response;
    }
    response.headers_mut().insert(header::CACHE_CONTROL, FINAL);
    apply_if_none_match(headers, &Etag::of(&bytes), response)
}
