//! Reads one order: waits for a PENDING order to settle if the client prefers so, and returns 304 for a known
//! one.

use std::time::Duration;

use axum::response::Response;
use grpc_client::Deadline;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use proto::order::{GetOrderRequest, GetOrderResponse, OrderStatus};
use tokio::time::{Instant, sleep_until};
use tonic::Status;

use super::{call, json_response, response::Order};
use crate::{
    conditional::{Etag, apply_if_none_match},
    limits, prefer,
    problem::Problem,
    state::AppState,
};

/// `Cache-Control` of an order that no longer changes. A cache must revalidate, since the permission to read
/// it may change.
const FINAL: HeaderValue = HeaderValue::from_static("private, no-cache");
/// The request headers that a response with an order depends on.
const VARY: HeaderValue = HeaderValue::from_static("accept-encoding, authorization, prefer");

/// Reads an order, and reads a PENDING one again until it settles. Polling ends when the preferred time or
/// the deadline is near, when the gateway shuts down, or when the future is dropped.
///
/// Returns the order and the seconds of the client's preference, if it was honoured.
///
/// # Errors
///
/// The failure of the first call, mapped by `failed`. After a later failure the last known state is returned.
pub(super) async fn settled(
    state: &AppState,
    headers: &HeaderMap,
    request: GetOrderRequest,
    deadline: Deadline,
    failed: impl Fn(Status) -> Problem,
) -> Result<(GetOrderResponse, Option<u32>), Problem> {
    let read = async || {
        let read = state.orders.clone().get(call(request, deadline)).await;
        read.map(tonic::Response::into_inner).map_err(&failed)
    };
    let started = Instant::now();
    // The permit of a request in flight is held during the calls, not during the pauses.
    let permit = state.load_limits.try_acquire()?;
    let mut order = read().await?;
    drop(permit);
    let Some(seconds) = prefer::wait_seconds(headers) else { return Ok((order, None)) };
    if !is_pending(&order) {
        return Ok((order, Some(seconds)));
    }
    let Ok(_permit) = state.long_polls.try_acquire() else { return Ok((order, None)) };
    let preferred = started + Duration::from_secs(seconds.into());
    let end =
        deadline.0.checked_sub(limits::LONG_POLL_MARGIN).map_or(started, |latest| latest.min(preferred));
    let mut pause = limits::LONG_POLL_PAUSE_MIN;
    while is_pending(&order) && Instant::now() < end && state.readiness.is_ready() {
        sleep_until(end.min(Instant::now() + pause)).await;
        pause = (pause * 2).min(limits::LONG_POLL_PAUSE_MAX);
        // Without a permit the poll ends with the last known state; no request is rejected.
        let Some(_permit) = state.load_limits.permit() else { break };
        match read().await {
            Ok(later) => order = later,
            Err(_) => break,
        }
    }
    Ok((order, Some(seconds)))
}

fn is_pending(order: &GetOrderResponse) -> bool {
    order.status == OrderStatus::Pending as i32
}

/// The response with `order` to a request with these headers. `waited` is the honoured preference in seconds.
pub(super) fn order_response(headers: &HeaderMap, order: &Order<'_>, waited: Option<u32>) -> Response {
    let (mut response, bytes) = json_response(StatusCode::OK, order);
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
