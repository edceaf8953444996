//! Request bodies, read within bounds of size and time.

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

/// The whole body, if it is there within [`BODY_READ_MAX`] and before `deadline`, and there is reservation for it among those
/// that are on their way.
///
/// One that says that it is too long is not asked for, so that a client that waits for `100 Continue` need
/// not send it.
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
    tracing::debug!(%error, "a request's body broke off");
    Problem::invalid(vec![Violation {
        field: "body".to_owned(),
        pointer: Some(pointer::DOCUMENT.to_owned()),
        detail: "broke off before its end, or is not framed as HTTP asks".to_owned(),
        reason: None,
    }])
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::stream;
    use http::StatusCode;
    use service_kit::metrics::Registry;

    use super::*;
    use crate::{limits::BODIES_BYTES_MAX, load_limits::Config};

    type Piece = Result<Bytes, std::io::Error>;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(30)
    }

    fn load_limits() -> LoadLimits {
        LoadLimits::new(&Config::default(), &mut Registry::default())
    }

    async fn refused(body: Body) -> StatusCode {
        read(body, soon(), &load_limits()).await.unwrap_err().status()
    }

    #[tokio::test]
    async fn a_body_of_the_largest_size_is_read_and_one_byte_more_is_not() {
        let largest = read(Body::from(vec![b' '; BODY_BYTES_MAX]), soon(), &load_limits()).await;
        assert_eq!(largest.unwrap().len(), BODY_BYTES_MAX);
        assert_eq!(refused(Body::from(vec![b' '; BODY_BYTES_MAX + 1])).await, StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[tokio::test]
    async fn a_body_that_does_not_say_how_long_it_is_is_bounded_too() {
        let endless = stream::repeat_with(|| Piece::Ok(Bytes::from_static(&[b' '; 16 * 1024])));
        assert_eq!(refused(Body::from_stream(endless)).await, StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_waited_for_no_longer_than_the_bound_and_the_deadline() {
        for (deadline, waited) in [(BODY_READ_MAX * 2, BODY_READ_MAX), (BODY_READ_MAX / 2, BODY_READ_MAX / 2)]
        {
            let began = Instant::now();
            let silent = Body::from_stream(stream::pending::<Piece>());
            let problem = read(silent, began + deadline, &load_limits()).await.unwrap_err();
            let took = began.elapsed();
            assert_eq!(problem.status(), StatusCode::REQUEST_TIMEOUT);
            // The timer's resolution is a millisecond.
            assert!(took >= waited && took < waited + Duration::from_millis(5), "{took:?}");
        }
    }

    #[tokio::test]
    async fn bodies_that_are_on_their_way_are_bounded_together() {
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
    async fn a_body_that_breaks_off_is_the_senders_fault() {
        let broken = stream::iter([Piece::Err(std::io::ErrorKind::UnexpectedEof.into())]);
        assert_eq!(refused(Body::from_stream(broken)).await, StatusCode::BAD_REQUEST);
    }
}
