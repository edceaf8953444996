//! The client's side: channels, service configs, and calls.

use std::{net::SocketAddr, time::Duration};

use grpc_client::{Builder, Channel, Deadline, Failure, Target};
use proto::order::{GetOrderRequest, GetOrderResponse, order_client::OrderClient};
use tokio::time::Instant;
use tonic::{Code, Request, Response, Status};

use crate::http2_peer::{Frame, Http2Peer};

/// An upper bound on every step of a test, with reserve for a busy machine.
pub(crate) const BOUND: Duration = Duration::from_secs(20);

pub(crate) fn channel_to(address: SocketAddr) -> Channel {
    channel_at(&address.to_string())
}

pub(crate) fn channel_at(target: &str) -> Channel {
    Channel::builder(target.parse::<Target>().unwrap()).build().unwrap()
}

/// A channel to `targets` with a service config.
pub(crate) fn channel_by(config: &str, targets: &[SocketAddr]) -> Channel {
    builder(config, targets).build().unwrap()
}

pub(crate) fn builder(config: &str, targets: &[SocketAddr]) -> Builder {
    let listed: Vec<_> = targets.iter().map(SocketAddr::to_string).collect();
    Channel::builder(listed.join(",").parse().unwrap()).service_config(config.parse().unwrap())
}

/// A service config with the balancing policy `policy` and nothing else.
pub(crate) fn balanced(policy: &str) -> String {
    format!(r#"{{"loadBalancingConfig": [{{"{policy}": {{}}}}]}}"#)
}

/// A service config that retries every method on UNAVAILABLE: three attempts, 10 ms apart. The fields of
/// `more` override those of the `retryPolicy`.
pub(crate) fn retrying(more: &str) -> String {
    retrying_on("UNAVAILABLE", more)
}

/// As [`retrying`], on the status `code`.
pub(crate) fn retrying_on(code: &str, more: &str) -> String {
    format!(
        r#"{{"methodConfig": [{{"name": [{{}}], "retryPolicy": {{
            "maxAttempts": 3, "initialBackoff": "0.01s", "maxBackoff": "0.01s", "backoffMultiplier": 1,
            "retryableStatusCodes": ["{code}"]{more}
        }}}}]}}"#
    )
}

/// Gets the order `id`, with the default deadline.
pub(crate) async fn call(channel: &Channel, id: i64) -> Result<Response<GetOrderResponse>, Status> {
    send(channel, get(id)).await
}

/// Gets the order `id` by `deadline`.
pub(crate) async fn call_by(
    channel: &Channel,
    id: i64,
    deadline: Instant,
) -> Result<Response<GetOrderResponse>, Status> {
    let mut request = get(id);
    request.extensions_mut().insert(Deadline(deadline));
    send(channel, request).await
}

pub(crate) async fn send(
    channel: &Channel,
    request: Request<GetOrderRequest>,
) -> Result<Response<GetOrderResponse>, Status> {
    OrderClient::new(channel.clone()).max_decoding_message_size(usize::MAX).get(request).await
}

pub(crate) fn get(id: i64) -> Request<GetOrderRequest> {
    Request::new(GetOrderRequest { order_id: id, user_id: 0 })
}

/// The classification of a call that must have failed.
pub(crate) fn failure(result: Result<Response<GetOrderResponse>, Status>) -> Failure {
    Failure::of(&result.unwrap_err())
}

/// The classification and code of a call that must have failed.
pub(crate) fn failure_and_code(result: Result<Response<GetOrderResponse>, Status>) -> (Failure, Code) {
    let status = result.unwrap_err();
    (Failure::of(&status), status.code())
}

/// The result of a call to a server that responds with `frames`.
pub(crate) async fn result_of(frames: &[Frame]) -> Result<Response<GetOrderResponse>, Status> {
    call(&channel_to(Http2Peer::responding(frames.to_vec()).await), 1).await
}

/// Polls `condition` until it holds, at most for [`BOUND`].
pub(crate) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let started = std::time::Instant::now();
    while !condition() {
        assert!(started.elapsed() < BOUND, "timed out: {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
