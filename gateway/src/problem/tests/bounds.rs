//! Bounds on what a backend sends: the excess is dropped and counted.

use tonic::Code;

use super::{
    RequestFacts, bad_request, error_info, help, render_counted, render_details, render_status, retry_info,
    status,
};
use crate::{
    limits::VIOLATIONS_MAX,
    problem::{
        context::DropReason,
        details::{ENTRIES_MAX, LINKS_MAX, TEXT_BYTES_MAX},
    },
};

/// No problem is longer, whatever a backend sends.
const BODY_BYTES_MAX: usize = 1024 * 1024;

#[tokio::test]
async fn no_more_violations_than_the_bound_are_shown() {
    let details =
        [bad_request(&[("user_id", "bad", ""); ENTRIES_MAX - 1]), bad_request(&[("payment", "no", ""); 9])];
    let (rendered, context) = render_counted(Code::InvalidArgument, &details).await;
    assert_eq!(rendered.body["errors"].as_array().unwrap().len(), VIOLATIONS_MAX);
    assert_eq!(rendered.body["errors_truncated"], true);
    assert_eq!(context.dropped_count(DropReason::TooMuch), 1);

    let many = vec![("order_items[0].quantity", "is not a number that is sold here", ""); 10_000];
    let rendered = render_details(Code::InvalidArgument, &[bad_request(&many)]).await;
    assert_eq!(rendered.body["errors"].as_array().unwrap().len(), VIOLATIONS_MAX);
    assert_eq!(rendered.body["errors_truncated"], true);
    assert!(rendered.text.len() < BODY_BYTES_MAX);
}

#[tokio::test]
async fn no_more_links_than_the_bound_are_shown() {
    let links = [("more", "https://shop.example"); LINKS_MAX + 2];
    let (rendered, context) = render_counted(Code::Internal, &[help(&links)]).await;
    assert_eq!(rendered.body["links"].as_array().unwrap().len(), LINKS_MAX);
    assert_eq!(rendered.headers.get_all("link").iter().count(), LINKS_MAX);
    assert_eq!(context.dropped_count(DropReason::TooMuch), 2);
}

#[tokio::test]
async fn a_long_text_is_truncated_between_characters() {
    let long = "\u{20ac}".repeat(TEXT_BYTES_MAX);
    let truncated = "\u{20ac}".repeat(TEXT_BYTES_MAX / 3);
    let details =
        [bad_request(&[("user_id", &long, "")]), error_info("order", "NOT_CHARGED", &[("order_id", &long)])];
    let (rendered, context) = render_counted(Code::Unavailable, &details).await;
    assert_eq!(rendered.body["errors"][0]["detail"], truncated.as_str());
    assert_eq!(rendered.body["metadata"]["order_id"], truncated.as_str());
    assert_eq!(context.dropped_count(DropReason::TooMuch), 1);
    let rendered = render_status(&status(Code::NotFound, &long, &[]), &RequestFacts::default()).await;
    assert_eq!(rendered.body["detail"], truncated.as_str());
}

#[tokio::test]
async fn details_beyond_the_bound_are_dropped() {
    let mut details = vec![bad_request(&[]); 32];
    details.push(retry_info(9, 0));
    let (rendered, context) = render_counted(Code::Internal, &details).await;
    assert_eq!((rendered.header("retry-after"), context.dropped_count(DropReason::TooMuch)), (None, 1));
}
