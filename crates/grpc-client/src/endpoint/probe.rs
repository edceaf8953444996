//! Asking a server whether it is there, by `grpc.health.v1.Health/Check` (the gRPC health checking protocol). Any answer
//! to that shows that it is, also that it has no such service.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Version, header, uri};
use prost::Message as _;

use crate::connection::{Connection, Dial};

/// How long an answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);
/// Bytes of an answer that are read.
const ANSWER_BYTES_MAX: usize = 1024;

/// `grpc.health.v1.HealthCheckRequest`
#[derive(prost::Message)]
struct Asked {
    #[prost(string, tag = "1")]
    service: String,
}

/// `grpc.health.v1.HealthCheckResponse`
#[derive(prost::Message)]
struct Told {
    #[prost(int32, tag = "1")]
    status: i32,
}

/// `SERVING` and `SERVICE_UNKNOWN`: whoever says the latter is there, and says nothing against being used.
const FIT_FOR_USE: [i32; 2] = [1, 3];

/// Whether the peer is there and fit for use: it is not while it says that it does not serve.
pub(super) async fn ask(connection: &Connection, dial: &Dial, service: &Arc<str>) -> bool {
    match tokio::time::timeout(ANSWER_TIMEOUT, check(connection, dial, service)).await {
        Ok(Some(status)) => status.is_none_or(|status| FIT_FOR_USE.contains(&status)),
        Ok(None) | Err(_) => false,
    }
}

/// Whether the peer is there, whatever it says.
pub(super) async fn is_there(connection: &Connection, dial: &Dial, service: &Arc<str>) -> bool {
    matches!(tokio::time::timeout(ANSWER_TIMEOUT, check(connection, dial, service)).await, Ok(Some(_)))
}

/// The status that was told, `Some(None)` where there was an answer without one.
async fn check(connection: &Connection, dial: &Dial, service: &Arc<str>) -> Option<Option<i32>> {
    let origin = uri::Builder::new().scheme(dial.scheme()).authority(dial.authority.clone());
    let request = Request::builder()
        .method(Method::POST)
        .version(Version::HTTP_2)
        .uri(origin.path_and_query("/grpc.health.v1.Health/Check").build().ok()?)
        .header(header::CONTENT_TYPE, "application/grpc")
        .header(header::TE, "trailers")
        .body(())
        .ok()?;
    let message = Asked { service: service.as_ref().to_owned() }.encode_to_vec();
    let mut framed = vec![0];
    framed.extend(u32::try_from(message.len()).ok()?.to_be_bytes());
    framed.extend(message);
    let (answer, mut stream) = connection.send.clone().send_request(request, false).ok()?;
    stream.send_data(Bytes::from(framed), true).ok()?;
    let mut body = answer.await.ok()?.into_body();
    let mut read = Vec::new();
    while let Some(Ok(data)) = body.data().await {
        read.extend_from_slice(&data);
        if read.len() > ANSWER_BYTES_MAX {
            break;
        }
    }
    Some(read.get(5..).and_then(|message| Told::decode(message).ok()).map(|told| told.status))
}
