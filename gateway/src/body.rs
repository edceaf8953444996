//! Reading of request bodies, bounded in size and time.

use axum::body::{Body, HttpBody};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::time::{Instant, timeout_at};

use crate::{
    json::pointer,
    limits::{BODY_BYTES_MAX, BODY_READ_MAX},
    load_limits::LoadLimits,
    problem::{Problem, Violation},
};

pub(crate) mod unread;

/// Reads the whole body.
///
/// A body whose `Content-Length` is too large is not read at all, so that a client that waits for `100
/// Continue` does not send it.
///
/// # Errors
///
/// 413 for more than [`BODY_BYTES_MAX`] bytes; 408 where the body is incomplete after [`BODY_READ_MAX`] or at
/// `deadline`; 503 where all bodies together exceed [`BODIES_BYTES_MAX`](crate::limits::BODIES_BYTES_MAX);
/// 400 where it breaks off.
pub(crate) async fn read(body: Body, deadline: Instant, load_limits: &LoadLimits) -> Result<Bytes, Problem> {
    let declared = HttpBody::size_hint(&body).lower();
    if usize::try_from(declared).is_ok_and(|bytes| bytes > BODY_BYTES_MAX) {
        return Err(Problem::payload_too_large());
    }
    let until = deadline.min(Instant::now() + BODY_READ_MAX);
    timeout_at(until, collect(body, load_limits)).await.unwrap_or_else(|_| Err(Problem::body_timeout()))
}

async fn collect(body: Body, load_limits: &LoadLimits) -> Result<Bytes, Problem> {
    let (mut body, mut whole) = (Limited::new(body, BODY_BYTES_MAX), BytesMut::new());
    let mut reservation = load_limits.reserve_body();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|error| broken(&*error))?.into_data() else { continue };
        if !reservation.try_grow(data.len()) {
            return Err(load_limits.shed());
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}

fn broken(error: &(dyn std::error::Error + Send + Sync + 'static)) -> Problem {
    if error.is::<LengthLimitError>() {
        return Problem::payload_too_large();
    }
    tracing::debug!(%error, "request body incomplete");
    let detail = "broke off before its end, or is not framed as HTTP requires";
    Problem::invalid(vec![Violation::new("body", Some(pointer::DOCUMENT.to_owned()), detail)])
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::stream;
    use http::StatusCode;
    use service_kit::metrics::Registry;

    use super::*;
    use crate::{limits::BODIES_BYTES_MAX, load_limits::Config};

    type Chunk = Result<Bytes, std::io::Error>;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(30)
    }

    fn load_limits() -> LoadLimits {
        LoadLimits::new(&Config::default(), &mut Registry::default())
    }

    async fn rejection(body: Body) -> StatusCode {
        read(body, soon(), &load_limits()).await.unwrap_err().status()
    }

    #[tokio::test]
    async fn a_body_of_the_maximum_size_is_read_and_a_larger_one_is_rejected() {
        let largest = read(Body::from(vec![b' '; BODY_BYTES_MAX]), soon(), &load_limits()).await;
        assert_eq!(largest.unwrap().len(), BODY_BYTES_MAX);
        assert_eq!(
            rejection(Body::from(vec![b' '; BODY_BYTES_MAX + 1])).await,
            StatusCode::PAYLOAD_TOO_LARGE
        );
    }

    #[tokio::test]
    async fn a_body_without_content_length_is_bounded() {
        let endless = stream::repeat_with(|| Chunk::Ok(Bytes::from_static(&[b' '; 16 * 1024])));
        assert_eq!(rejection(Body::from_stream(endless)).await, StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_body_times_out_by_the_bound_or_the_deadline() {
        for (deadline, waited) in [(BODY_READ_MAX * 2, BODY_READ_MAX), (BODY_READ_MAX / 2, BODY_READ_MAX / 2)]
        {
            let began = Instant::now();
            let silent = Body::from_stream(stream::pending::<Chunk>());
            let problem = read(silent, began + deadline, &load_limits()).await.unwrap_err();
            let took = began.elapsed();
            assert_eq!(problem.status(), StatusCode::REQUEST_TIMEOUT);
            // The timer's resolution is a millisecond.
            assert!(took >= waited && took < waited + Duration::from_millis(5), "{took:?}");
        }
    }

    #[tokio::test]
    async fn all_bodies_together_are_bounded() {
        let load_limits = load_limits();
        let mut others = load_limits.reserve_body();
        assert!(others.try_grow(BODIES_BYTES_MAX - 10));
        let read = |bytes: usize| read(Body::from(vec![b' '; bytes]), soon(), &load_limits);
        assert_eq!(read(10).await.unwrap().len(), 10);
        assert_eq!(read(11).await.unwrap_err().status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(read(10).await.unwrap().len(), 10);
        drop(others);
        assert_eq!(read(BODY_BYTES_MAX).await.unwrap().len(), BODY_BYTES_MAX);
    }

    #[tokio::test]
    async fn an_incomplete_body_is_a_bad_request() {
        let broken = stream::iter([Chunk::Err(std::io::ErrorKind::UnexpectedEof.into())]);
        assert_eq!(rejection(Body::from_stream(broken)).await, StatusCode::BAD_REQUEST);
    }
}
