//! What a backend may send too much of is cut, and counted.

use tonic::Code;

use super::{RequestFacts, bad_request, error_info, help, retry_info, status, told, told_with_counts};
use crate::problem::{
    context::Why,
    details::{ENTRIES_MAX, LINKS_MAX, TEXT_BYTES_MAX},
};

#[tokio::test]
async fn no_more_violations_than_the_bound_are_told() {
    let details =
        [bad_request(&[("user_id", "bad", ""); ENTRIES_MAX - 1]), bad_request(&[("payment", "no", ""); 9])];
    let (seen, site) = told_with_counts(Code::InvalidArgument, &details).await;
    assert_eq!(seen.body["errors"].as_array().unwrap().len(), ENTRIES_MAX);
    assert_eq!(site.dropped(Why::TooMuch), 1);
}

#[tokio::test]
async fn no_more_links_than_the_bound_are_told() {
    let links = [("more", "https://shop.example"); LINKS_MAX + 2];
    let (seen, site) = told_with_counts(Code::Internal, &[help(&links)]).await;
    assert_eq!(seen.body["links"].as_array().unwrap().len(), LINKS_MAX);
    assert_eq!(seen.headers.get_all("link").iter().count(), LINKS_MAX);
    assert_eq!(site.dropped(Why::TooMuch), 2);
}

#[tokio::test]
async fn a_long_text_is_cut_between_characters() {
    let long = "\u{20ac}".repeat(TEXT_BYTES_MAX);
    let kept = "\u{20ac}".repeat(TEXT_BYTES_MAX / 3);
    let details =
        [bad_request(&[("user_id", &long, "")]), error_info("order", "NOT_CHARGED", &[("order_id", &long)])];
    let (seen, site) = told_with_counts(Code::Unavailable, &details).await;
    assert_eq!(seen.body["errors"][0]["detail"], kept.as_str());
    assert_eq!(seen.body["metadata"]["order_id"], kept.as_str());
    assert_eq!(site.dropped(Why::TooMuch), 1);
    let seen = told(&status(Code::NotFound, &long, &[]), &RequestFacts::default()).await;
    assert_eq!(seen.body["detail"], kept.as_str());
}

#[tokio::test]
async fn details_beyond_the_bound_are_left_out() {
    let mut details = vec![bad_request(&[]); 32];
    details.push(retry_info(9, 0));
    let (seen, site) = told_with_counts(Code::Internal, &details).await;
    assert_eq!((seen.header("retry-after"), site.dropped(Why::TooMuch)), (None, 1));
}
