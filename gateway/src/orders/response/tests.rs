//! Responses of the current contract, of the old one, and invalid ones.

use super::{super::request::parse, *};
use crate::pricing::UnitPrice;

const BODY: &[u8] =
    br#"{"user_id":123,"order_items":[{"product_code":"sku1","unit_price":0.12,"quantity":1}]}"#;
/// 2026-11-23T06:00:00Z
const TIME_S: i64 = 1_795_413_600;

fn usd(units: i64, nanos: i32) -> Option<google_type::Money> {
    Some(google_type::Money { currency_code: "USD".to_owned(), units, nanos })
}

fn create_response() -> CreateOrderResponse {
    CreateOrderResponse {
        order_id: 115_458_048_000_000,
        status: OrderStatus::Paid.into(),
        total: usd(0, 120_000_000),
        create_time: Some(Timestamp { seconds: TIME_S, nanos: 0 }),
        ..CreateOrderResponse::default()
    }
}

fn get_response() -> GetOrderResponse {
    GetOrderResponse {
        user_id: 123,
        order_items: vec![proto::order::OrderItem {
            product_code: "sku1".to_owned(),
            unit_price: 16.0,
            quantity: 2,
            price: usd(16, 0),
            ..Default::default()
        }],
        order_id: 7,
        status: OrderStatus::Declined.into(),
        total: usd(32, 0),
        create_time: Some(Timestamp { seconds: TIME_S, nanos: 1_999_999 }),
        decline_reason: "INSUFFICIENT_BALANCE".to_owned(),
    }
}

fn json(order: Result<Order<'_>, InvalidUpstreamResponse>) -> String {
    serde_json::to_string(&order.unwrap()).unwrap()
}

#[test]
fn a_placed_order_has_exact_amounts() {
    let request = parse(BODY, UnitPrice::Required).unwrap();
    let expected = concat!(
        r#"{"order_id":115458048000000,"user_id":123,"status":"PAID","currency":"USD","#,
        r#""total_price":0.12,"total_price_text":"0.12","order_items":["#,
        r#"{"product_code":"sku1","unit_price":0.12,"unit_price_text":"0.12","quantity":1}],"#,
        r#""created_at":"2026-11-23T06:00:00.000Z"}"#
    );
    assert_eq!(json(created(&request, &create_response())), expected);
}

#[test]
fn the_request_completes_the_response_of_an_old_server() {
    let request = parse(BODY, UnitPrice::Required).unwrap();
    let old = CreateOrderResponse { order_id: 5, ..Default::default() };
    let expected = concat!(
        r#"{"order_id":5,"user_id":123,"currency":"USD","#,
        r#""total_price":0.12,"total_price_text":"0.12","order_items":["#,
        r#"{"product_code":"sku1","unit_price":0.12,"unit_price_text":"0.12","quantity":1}]}"#
    );
    assert_eq!(json(created(&request, &old)), expected);
}

#[test]
fn an_invalid_create_response_is_rejected() {
    let request = parse(BODY, UnitPrice::Required).unwrap();
    let good = create_response;
    for (what, response) in [
        ("order_id", CreateOrderResponse { order_id: 0, ..good() }),
        ("order_id", CreateOrderResponse { order_id: 1 << 53, ..good() }),
        ("order_id", CreateOrderResponse { order_id: -1, ..good() }),
        ("a success that is not PAID", CreateOrderResponse { status: 99, ..good() }),
        ("a success that is not PAID", CreateOrderResponse { status: OrderStatus::Pending.into(), ..good() }),
        (
            "a success that is not PAID",
            CreateOrderResponse { status: OrderStatus::Declined.into(), ..good() },
        ),
        ("a success that is not PAID", CreateOrderResponse { status: 0, ..good() }),
        ("total", CreateOrderResponse { total: usd(-1, 0), ..good() }),
        ("total", CreateOrderResponse { total: None, ..good() }),
        ("total", CreateOrderResponse { total: usd(0, 1), ..good() }),
        ("currency", CreateOrderResponse { total: Some(google_type::Money::default()), ..good() }),
        ("create_time", CreateOrderResponse { create_time: None, ..good() }),
        (
            "create_time",
            CreateOrderResponse { create_time: Some(Timestamp { seconds: -1, nanos: 0 }), ..good() },
        ),
    ] {
        let why = created(&request, &response).unwrap_err().to_string();
        assert!(why.contains(what), "{why} should name {what}");
    }
    let euros = google_type::Money { currency_code: "EUR".to_owned(), units: 1, nanos: 0 };
    assert!(created(&request, &CreateOrderResponse { total: Some(euros), ..good() }).is_err());
}

#[test]
fn a_declined_order_has_its_decline_reason() {
    let expected = concat!(
        r#"{"order_id":7,"user_id":123,"status":"DECLINED","currency":"USD","#,
        r#""total_price":32.00,"total_price_text":"32.00","order_items":["#,
        r#"{"product_code":"sku1","unit_price":16.00,"unit_price_text":"16.00","quantity":2}],"#,
        r#""created_at":"2026-11-23T06:00:00.001Z","decline_reason":"INSUFFICIENT_BALANCE"}"#
    );
    assert_eq!(json(stored(7, &get_response())), expected);
}

#[test]
fn an_order_of_an_old_server_has_its_floats_as_shortest_decimals() {
    let item = |unit_price, quantity| proto::order::OrderItem {
        product_code: "sku1".to_owned(),
        unit_price,
        quantity,
        ..Default::default()
    };
    let old = |items| GetOrderResponse { user_id: 123, order_items: items, ..Default::default() };
    let expected = concat!(
        r#"{"order_id":7,"user_id":123,"currency":"USD","#,
        r#""total_price":0.36,"total_price_text":"0.36","order_items":["#,
        r#"{"product_code":"sku1","unit_price":0.12,"unit_price_text":"0.12","quantity":3}]}"#
    );
    assert_eq!(json(stored(7, &old(vec![item(0.12, 3)]))), expected);
    for bad in [item(0.125, 1), item(-1.0, 1), item(f32::NAN, 1), item(1.0, 0), item(1.0, -1)] {
        assert!(stored(7, &old(vec![bad])).is_err());
    }
}

#[test]
fn an_order_keeps_a_currency_that_requests_no_longer_have() {
    for (code, nanos, total) in [("BGN", 10_000_000, "32.01"), ("CLF", 100_000, "32.0001")] {
        let money = |units, nanos| Some(google_type::Money { currency_code: code.to_owned(), units, nanos });
        let mut response = GetOrderResponse { total: money(32, nanos), ..get_response() };
        response.order_items[0].price = money(16, 0);
        let json = json(stored(7, &response));
        let wanted = format!(r#""currency":"{code}","total_price":{total},"total_price_text":"{total}","#);
        assert!(json.contains(&wanted), "{json}");
    }
}

#[test]
fn an_order_of_a_grpc_client_may_have_a_larger_user_id() {
    let response = GetOrderResponse { user_id: i64::MAX, ..get_response() };
    assert!(json(stored(7, &response)).contains(r#""user_id":9223372036854775807,"#));
}

#[test]
fn an_invalid_get_response_is_rejected() {
    let good = get_response;
    let with_price = |price| {
        let mut response = good();
        response.order_items[0].price = price;
        response
    };
    let yen = google_type::Money { currency_code: "JPY".to_owned(), units: 16, nanos: 0 };
    for response in [
        GetOrderResponse { order_id: 8, ..good() },
        GetOrderResponse { user_id: 0, ..good() },
        GetOrderResponse { total: None, ..good() },
        GetOrderResponse { total: usd(i64::MAX, 0), ..good() },
        with_price(Some(yen)),
        with_price(usd(0, 1)),
    ] {
        assert!(stored(7, &response).is_err(), "{response:?}");
    }
}

#[test]
fn unknown_values_are_left_out_of_their_order_alone() {
    let of_newer = GetOrderResponse { status: 99, ..get_response() };
    let unspecified = GetOrderResponse { status: OrderStatus::Unspecified.into(), ..get_response() };
    let mut shown = json(stored(7, &get_response()));
    shown = shown.replace(r#""status":"DECLINED","#, "");
    for response in [&of_newer, &unspecified] {
        assert_eq!(json(stored(7, response)), shown);
        assert!(!stored(7, response).unwrap().is_final());
    }

    // Order does not know the currency; or this program does not.
    let hidden = GetOrderResponse { total: None, order_items: vec![], ..get_response() };
    let code = Some(google_type::Money { currency_code: "ABC".to_owned(), units: 5, nanos: 0 });
    let newer = GetOrderResponse { total: code, ..get_response() };
    for (response, currency) in [(&hidden, ""), (&newer, r#""currency":"ABC","#)] {
        let text = json(stored(7, response));
        let start =
            format!(r#"{{"order_id":7,"user_id":123,"status":"DECLINED",{currency}"order_items":[],"#);
        assert!(text.starts_with(&start), "{text}");
    }
    let orders = vec![get_response(), of_newer, hidden, newer];
    let response = ListOrdersResponse { orders, next_page_token: String::new() };
    assert_eq!(page(&response).unwrap().orders.len(), 4);
}

#[test]
fn a_page_has_orders_and_the_next_page_token() {
    let response = ListOrdersResponse { orders: vec![get_response()], next_page_token: "t".to_owned() };
    let text = serde_json::to_string(&page(&response).unwrap()).unwrap();
    assert!(
        text.starts_with(r#"{"orders":[{"order_id":7,"#) && text.ends_with(r#"}],"next_page_token":"t"}"#)
    );
    let empty = serde_json::to_string(&page(&ListOrdersResponse::default()).unwrap()).unwrap();
    assert_eq!(empty, r#"{"orders":[],"next_page_token":""}"#);
    let without_id =
        ListOrdersResponse { orders: vec![GetOrderResponse { order_id: 0, ..get_response() }], ..response };
    assert!(page(&without_id).is_err());
}

#[test]
fn an_invalid_response_is_not_a_status_of_the_backend() {
    let status = Status::from(InvalidUpstreamResponse("order_id"));
    assert_eq!(grpc_client::Failure::of(&status), grpc_client::Failure::InvalidResponse);
}

#[test]
fn a_price_from_the_list_is_the_charged_price() {
    let body = br#"{"user_id":1,"order_items":[{"product_code":"a","quantity":2},{"product_code":"b","unit_price":1,"quantity":1}]}"#;
    let request = parse(body, UnitPrice::Optional).unwrap();
    let item = |code: &str, quantity, price| proto::order::OrderItem {
        product_code: code.to_owned(),
        quantity,
        price,
        ..Default::default()
    };
    let response = |items| CreateOrderResponse { order_items: items, total: usd(7, 0), ..create_response() };
    let b = item("b", 1, usd(1, 0));
    let placed = json(created(&request, &response(vec![item("a", 2, usd(3, 0)), b.clone()])));
    let items = concat!(
        r#""total_price":7.00,"total_price_text":"7.00","order_items":["#,
        r#"{"product_code":"a","unit_price":3.00,"unit_price_text":"3.00","quantity":2},"#,
        r#"{"product_code":"b","unit_price":1.00,"unit_price_text":"1.00","quantity":1}]"#
    );
    assert!(placed.contains(items), "{placed}");
    let euros = Some(google_type::Money { currency_code: "EUR".to_owned(), units: 3, nanos: 0 });
    for items in [
        vec![],
        vec![b.clone(), item("a", 2, usd(3, 0))],
        vec![item("a", 1, usd(3, 0)), b.clone()],
        vec![item("a", 2, usd(-3, 0)), b.clone()],
        vec![item("a", 2, euros), b],
    ] {
        assert!(created(&request, &response(items.clone())).is_err(), "{items:?}");
    }
    // A server of the old contract has no price list and sends neither price nor total.
    assert!(created(&request, &CreateOrderResponse { order_id: 5, ..Default::default() }).is_err());
}
