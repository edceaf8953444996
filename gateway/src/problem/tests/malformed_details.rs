//! Details that no correct backend sends. The response is a problem with the valid details.

use prost::Message;
use serde_json::json;
use tonic::Code;
use tonic_types::pb;

use super::{
    RequestFacts, accepting, bad_request, error_info, help, localized, malformed, raw_status, render_counted,
    render_status, retry_info,
};
use crate::problem::context::DropReason;

#[tokio::test]
async fn one_malformed_detail_does_not_invalidate_the_others() {
    for name in [
        "BadRequest",
        "ErrorInfo",
        "RetryInfo",
        "QuotaFailure",
        "PreconditionFailure",
        "ResourceInfo",
        "Help",
        "LocalizedMessage",
        "RequestInfo",
        "DebugInfo",
    ] {
        let valid = [
            error_info("order", "PAYMENT_DECLINED", &[("order_id", "7")]),
            bad_request(&[("payment", "insufficient balance", "")]),
        ];
        for index in 0..=valid.len() {
            let mut details = valid.to_vec();
            details.insert(index, malformed(&format!("google.rpc.{name}")));
            let (rendered, context) = render_counted(Code::InvalidArgument, &details).await;
            assert_eq!(rendered.status.as_u16(), 402, "{name} at {index}");
            assert_eq!(rendered.body["order_id"], json!(7));
            let errors = json!([{"field": "payment", "detail": "insufficient balance"}]);
            assert_eq!(rendered.body["errors"], errors, "{name} at {index}");
            assert_eq!(context.dropped_count(DropReason::Malformed), 1, "{name} at {index}");
        }
    }
}

#[tokio::test]
async fn a_detail_that_is_no_any_does_not_invalidate_the_others() {
    let good = retry_info(2, 0).encode_to_vec();
    let not_utf8 = vec![0x0a, 0x02, 0xff, 0xfe];
    let mut rpc = vec![0x12, 0x02, 0xff, 0xfe]; // a message that is not UTF-8 either
    for detail in [&not_utf8, &good] {
        rpc.push(0x1a);
        rpc.push(u8::try_from(detail.len()).unwrap());
        rpc.extend(detail);
    }
    let rendered = render_status(&raw_status(Code::Unavailable, "", rpc), &RequestFacts::default()).await;
    assert_eq!(rendered.header("retry-after"), Some("2"));
}

#[tokio::test]
async fn details_that_are_no_status_leave_the_problem_of_the_code() {
    let valid = pb::Status { code: 5, message: "gone".to_owned(), details: vec![retry_info(1, 0)] };
    let cut = valid.encode_to_vec()[..8].to_vec();
    for bytes in [vec![0xff; 9], vec![0x1a, 0xff], vec![0], cut] {
        let failed = raw_status(Code::NotFound, "gone", bytes);
        let rendered = render_status(&failed, &RequestFacts::default()).await;
        assert_eq!((rendered.status.as_u16(), &rendered.body["detail"]), (404, &json!("gone")));
        assert_eq!((rendered.further_members(), rendered.further_headers()), (json!({}), vec![]));
    }
}

#[tokio::test]
async fn any_damaged_byte_still_gives_a_problem() {
    let details = vec![
        error_info("order", "PAYMENT_DECLINED", &[("order_id", "7")]),
        bad_request(&[("payment", "no", "")]),
        retry_info(1, 1),
        help(&[("more", "https://shop.example")]),
        localized("de", "nein"),
    ];
    let valid = pb::Status { code: 3, message: "x".to_owned(), details }.encode_to_vec();
    for offset in 0..valid.len() {
        for damage in [0x00, 0x01, 0x0d, 0x7f, 0x80, 0xff] {
            let mut bytes = valid.clone();
            bytes[offset] ^= damage;
            let failed = raw_status(Code::InvalidArgument, "no", bytes);
            let rendered = render_status(&failed, &accepting("de")).await;
            assert!([400, 402].contains(&rendered.status.as_u16()), "{offset} ^ {damage}");
        }
        let cut = raw_status(Code::InvalidArgument, "no", valid[..offset].to_vec());
        let rendered = render_status(&cut, &RequestFacts::default()).await;
        assert!([400, 402].contains(&rendered.status.as_u16()), "cut at {offset}");
    }
}
