//! Limits of a connection's time and of abandoned requests.

use http_body_util::BodyExt;
use tokio::time::timeout;

use super::*;

const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// Longer than every limit.
const LONG: Duration = Duration::from_secs(3600);

async fn closed(activity: &Activity) -> Option<(CloseReason, Duration)> {
    let began = Instant::now();
    timeout(LONG, activity.limit_reached()).await.ok().map(|reason| (reason, began.elapsed()))
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_closes() {
    for (version, keep_alive, idle_max) in [
        (Version::HTTP_11, KEEP_ALIVE, KEEP_ALIVE),
        (Version::HTTP_2, KEEP_ALIVE, HTTP_2_IDLE_MAX),
        (Version::HTTP_11, 5 * HTTP_2_IDLE_MAX, 5 * HTTP_2_IDLE_MAX),
        (Version::HTTP_2, 5 * HTTP_2_IDLE_MAX, 5 * HTTP_2_IDLE_MAX),
    ] {
        let activity = Activity::new(keep_alive);
        let request = activity.begin_request(version, false);
        assert_eq!(closed(&activity).await, None);
        drop(request.track(Response::new(Body::empty())));
        let (reason, after) = closed(&activity).await.unwrap();
        assert_eq!(reason, CloseReason::Idle);
        assert!((idle_max..=idle_max + CONNECTION_CHECK_INTERVAL).contains(&after), "{after:?}");
    }
}

#[test]
fn a_response_is_due_from_an_http_1_request_to_the_last_byte() {
    let activity = Activity::new(KEEP_ALIVE);
    assert_eq!(activity.response_due(), None);
    let request = activity.begin_request(Version::HTTP_11, true);
    assert_eq!(activity.response_due(), Some(Due::BodyArrives));
    activity.end_body();
    assert_eq!(activity.response_due(), Some(Due::BodyArrived));
    let response = request.track(Response::new(Body::from("x")));
    assert_eq!(activity.response_due(), Some(Due::BodyArrived));
    drop(response);
    assert_eq!(activity.response_due(), None);
    let _request = activity.begin_request(Version::HTTP_2, false);
    assert_eq!(activity.response_due(), None);
}

#[tokio::test(start_paused = true)]
async fn an_http_1_head_must_arrive_in_time_on_an_idle_connection_too() {
    let activity = Activity::new(KEEP_ALIVE);
    for _ in 0..2 {
        let request = activity.begin_request(Version::HTTP_11, false);
        activity.record_read();
        drop(request.track(Response::new(Body::empty())));
        tokio::time::sleep(KEEP_ALIVE / 2).await;
        activity.record_read();
    }
    tokio::time::sleep(HEAD_READ_MAX / 2).await;
    activity.record_read();
    let (reason, after) = closed(&activity).await.unwrap();
    assert_eq!(reason, CloseReason::SlowHead);
    let left = HEAD_READ_MAX / 2;
    assert!((left..=left + CONNECTION_CHECK_INTERVAL).contains(&after), "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn frames_of_an_idle_http_2_connection_are_no_head() {
    let activity = Activity::new(KEEP_ALIVE);
    drop(activity.begin_request(Version::HTTP_2, false).track(Response::new(Body::empty())));
    activity.record_read();
    assert_eq!(closed(&activity).await.unwrap().0, CloseReason::Idle);
}

#[tokio::test(start_paused = true)]
async fn a_connection_closes_when_one_response_stays_unread() {
    let activity = Activity::new(KEEP_ALIVE);
    let _unread = activity.begin_request(Version::HTTP_11, false).track(Response::new(Body::from("x")));
    let others = async {
        loop {
            drop(activity.begin_request(Version::HTTP_11, false).track(Response::new(Body::from("y"))));
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let outcome = tokio::select! { outcome = closed(&activity) => outcome, () = others => None };
    let (reason, after) = outcome.unwrap();
    assert_eq!(reason, CloseReason::Unread);
    assert!(
        (RESPONSE_READ_MAX..=RESPONSE_READ_MAX + CONNECTION_CHECK_INTERVAL).contains(&after),
        "{after:?}"
    );
}

#[tokio::test]
async fn a_response_is_unread_until_its_last_chunk_is_taken() {
    let activity = Activity::new(KEEP_ALIVE);
    let bytes = Bytes::from(vec![7; 2 * RESPONSE_CHUNK_BYTES + 1]);
    let mut body = activity
        .begin_request(Version::HTTP_11, false)
        .track(Response::new(Body::from(bytes.clone())))
        .into_body();
    assert_eq!(body.size_hint().exact(), Some(bytes.len() as u64));
    let mut read = Vec::new();
    for expected in [RESPONSE_CHUNK_BYTES, RESPONSE_CHUNK_BYTES, 1] {
        assert!(!body.is_end_stream() && !activity.state().unread.is_empty());
        let chunk = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(chunk.len(), expected);
        read.extend_from_slice(&chunk);
        assert_eq!(body.size_hint().exact(), Some((bytes.len() - read.len()) as u64));
    }
    assert!(body.is_end_stream() && read == bytes);
    drop(body);
    assert!(activity.state().unread.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_client_may_abandon_as_many_requests_as_it_completes_plus_a_margin() {
    let activity = Activity::new(KEEP_ALIVE);
    for _ in 0..10 * ABANDONED_MAX {
        drop(activity.begin_request(Version::HTTP_11, false));
        drop(activity.begin_request(Version::HTTP_11, false).track(Response::new(Body::empty())));
    }
    for _ in 0..ABANDONED_MAX {
        drop(activity.begin_request(Version::HTTP_11, false));
    }
    assert!(timeout(Duration::from_millis(1), activity.limit_reached()).await.is_err());
    drop(activity.begin_request(Version::HTTP_11, false));
    assert_eq!(closed(&activity).await.unwrap().0, CloseReason::Abandoning);
}
