//! Health checks by `grpc.health.v1.Health/Check` (the gRPC health checking protocol). Any response proves
//! that the server is alive, also UNIMPLEMENTED.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Version, header, uri};
use prost::Message as _;

use crate::connection::{Connection, Dialer};

/// How long a response may take.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(1);
/// Bytes of a response that are read.
const RESPONSE_BYTES_MAX: usize = 1024;

/// `grpc.health.v1.HealthCheckRequest`
#[derive(prost::Message)]
struct HealthCheckRequest {
    #[prost(string, tag = "1")]
    service: String,
}

/// `grpc.health.v1.HealthCheckResponse`
#[derive(prost::Message)]
struct HealthCheckResponse {
    #[prost(int32, tag = "1")]
    status: i32,
}

/// `SERVING` and `SERVICE_UNKNOWN`. The latter says nothing about the server's health.
const USABLE_STATUSES: [i32; 2] = [1, 3];

/// Whether the peer responds, and does not report NOT_SERVING.
pub(super) async fn is_serving(connection: &Connection, dialer: &Dialer, service: &Arc<str>) -> bool {
    match tokio::time::timeout(RESPONSE_TIMEOUT, check(connection, dialer, service)).await {
        Ok(Some(status)) => status.is_none_or(|status| USABLE_STATUSES.contains(&status)),
        Ok(None) | Err(_) => false,
    }
}

/// Whether the peer responds, with any status.
pub(super) async fn is_alive(connection: &Connection, dialer: &Dialer, service: &Arc<str>) -> bool {
    matches!(tokio::time::timeout(RESPONSE_TIMEOUT, check(connection, dialer, service)).await, Ok(Some(_)))
}

/// The status that the peer reported; `Some(None)` for a response without one, `None` for no response.
async fn check(connection: &Connection, dialer: &Dialer, service: &Arc<str>) -> Option<Option<i32>> {
    let origin = uri::Builder::new().scheme(dialer.scheme()).authority(dialer.authority.clone());
    let request = Request::builder()
        .method(Method::POST)
        .version(Version::HTTP_2)
        .uri(origin.path_and_query("/grpc.health.v1.Health/Check").build().ok()?)
        .header(header::CONTENT_TYPE, "application/grpc")
        .header(header::TE, "trailers")
        .body(())
        .ok()?;
    let message = HealthCheckRequest { service: service.as_ref().to_owned() }.encode_to_vec();
    let mut framed = vec![0];
    framed.extend(u32::try_from(message.len()).ok()?.to_be_bytes());
    framed.extend(message);
    let (response, mut stream) = connection.send.clone().send_request(request, false).ok()?;
    stream.send_data(Bytes::from(framed), true).ok()?;
    let mut body = response.await.ok()?.into_body();
    let mut bytes = Vec::new();
    while let Some(Ok(data)) = body.data().await {
        bytes.extend_from_slice(&data);
        if bytes.len() > RESPONSE_BYTES_MAX {
            break;
        }
    }
    let response = bytes.get(5..).and_then(|message| HealthCheckResponse::decode(message).ok());
    Some(response.map(|response| response.status))
}
