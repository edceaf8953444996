//! Requests that are no gRPC calls (gRPC over HTTP/2, "Requests"): rejected by their HTTP status before
//! anything runs. A web page may send a POST of `text/plain` anywhere without asking (Fetch, "no-cors"); the
//! content type keeps it from calling a method.

use std::{future::poll_fn, pin::Pin, time::Duration};

use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body as _;
use tokio::time::timeout;
use tonic::body::Body;

/// How long the rest of a rejected request is discarded before its response. Some clients, curl 7.88 among
/// them, lose a response that arrives while they are sending.
const DISCARD_MAX: Duration = Duration::from_millis(500);

/// The response to a request that is no gRPC call: 405 for a method other than POST, 415 for a content type
/// other than `application/grpc` with protobuf messages.
pub(super) fn rejection(request: &Request<Body>) -> Option<Response<Body>> {
    if request.method() != Method::POST {
        let mut response = status(StatusCode::METHOD_NOT_ALLOWED);
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
        return Some(response);
    }
    (!is_grpc(request.headers())).then(|| status(StatusCode::UNSUPPORTED_MEDIA_TYPE))
}

/// Reads `request` to its end, for at most [`DISCARD_MAX`].
pub(super) async fn discard(request: Request<Body>) {
    let mut body = request.into_body();
    let read = async { while let Some(Ok(_)) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {} };
    let _ = timeout(DISCARD_MAX, read).await;
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// Whether the one content type is gRPC's. Types compare without case, and may have parameters (RFC 9110
/// §8.3.1).
fn is_grpc(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    ["application/grpc", "application/grpc+proto"].iter().any(|grpc| essence.eq_ignore_ascii_case(grpc))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::{StreamExt, stream};
    use http_body::Frame;
    use http_body_util::StreamBody;
    use tokio::time::{Instant, sleep};
    use tonic::Status;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_rest_of_a_request_is_read_for_a_bounded_time() {
        let (part, started) = (DISCARD_MAX / 5, Instant::now());
        let request = |parts| {
            let parts = stream::iter(0..parts).then(move |_| async move {
                sleep(part).await;
                Ok::<_, Status>(Frame::data(Bytes::from_static(b"x")))
            });
            Request::new(Body::new(StreamBody::new(parts.boxed())))
        };
        discard(request(2)).await;
        assert_eq!(started.elapsed(), 2 * part);
        discard(request(1000)).await;
        let took = started.elapsed() - 2 * part;
        assert!(took >= DISCARD_MAX && took < 2 * DISCARD_MAX, "{took:?}");
    }

    #[test]
    fn only_grpc_with_protobuf_is_accepted() {
        for (value, accepted) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("Application/GRPC ; charset=utf-8", true),
            ("application/grpc+json", false),
            ("application/grpc-web", false),
            ("application/grpc-web+proto", false),
            ("application/json", false),
            ("text/plain; application/grpc", false),
            ("application/grpc, text/plain", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, value.parse().unwrap())]);
            assert_eq!(is_grpc(&headers), accepted, "{value}");
        }
        assert!(!is_grpc(&HeaderMap::new()));
        let mut two = HeaderMap::new();
        two.append(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        two.append(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        assert!(!is_grpc(&two));
    }
}
