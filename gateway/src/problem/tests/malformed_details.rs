//! Details that no honest backend sends: whatever the bytes, there is a problem to answer with.

use prost::Message;
use tonic::Code;
use tonic_types::pb;

use super::{
    RequestFacts, accepting, bad_request, error_info, help, localized, raw_status, retry_info, told,
};

#[tokio::test]
async fn no_damage_to_the_bytes_of_the_details_costs_the_answer() {
    let details = vec![
        error_info("order", "PAYMENT_DECLINED", &[("order_id", "7")]),
        bad_request(&[("payment", "no", "")]),
        retry_info(1, 1),
        help(&[("more", "https://shop.example")]),
        localized("de", "nein"),
    ];
    let sound = pb::Status { code: 3, message: "x".to_owned(), details }.encode_to_vec();
    for place in 0..sound.len() {
        for damage in [0x00, 0x01, 0x0d, 0x7f, 0x80, 0xff] {
            let mut bytes = sound.clone();
            bytes[place] ^= damage;
            let seen = told(&raw_status(Code::InvalidArgument, "no", bytes), &accepting("de")).await;
            assert!([400, 402].contains(&seen.status.as_u16()), "{place} ^ {damage}");
        }
        let cut = sound[..place].to_vec();
        let seen = told(&raw_status(Code::InvalidArgument, "no", cut), &RequestFacts::default()).await;
        assert!([400, 402].contains(&seen.status.as_u16()), "cut at {place}");
    }
}
