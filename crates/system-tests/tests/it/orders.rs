//! Orders through the whole system: created, charged, read back, declined.

use all_in_one::{Options, System};
use grpc_client::Channel;
use money::Currency;
use proto::payment::{GetPaymentRequest, GetPaymentResponse, PaymentStatus, payment_client::PaymentClient};
use serde_json::{Value, json};

use crate::support::{Client, EXAMPLE, order_body, start_system};

mod idempotency;
mod pagination;
mod price_list;
mod restart;
mod unavailable;

/// The largest user id over HTTP: 2^53 - 1.
const USER_MAX: i64 = (1 << 53) - 1;

async fn start() -> (System, Client) {
    start_system(Options::default()).await
}

async fn start_with_limits(limits: &str) -> (System, Client) {
    start_system(Options::default().var("PAYMENT_CREDIT_LIMITS", limits)).await
}

/// The payment of an order.
async fn payment_of(system: &System, order_id: i64) -> GetPaymentResponse {
    let channel = Channel::builder(system.payment_address().to_string().parse().unwrap()).build().unwrap();
    let response = PaymentClient::new(channel).get(GetPaymentRequest { order_id }).await;
    response.unwrap().into_inner()
}

#[tokio::test]
async fn example_order_is_created_charged_and_read_back() {
    let (system, client) = start().await;
    let placed = client.post(EXAMPLE).await;
    assert_eq!(placed.status, 201);
    let id = placed.order_id();
    assert!((1..1 << 53).contains(&id));
    assert_eq!(placed.header("location"), format!("/orders/{id}"));
    assert_eq!(placed.header("content-type"), "application/json");
    assert_eq!(placed.header("idempotent-replayed"), "");

    let order = placed.json();
    let created_at = order["created_at"].as_str().unwrap();
    let form: String = created_at.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(form, "0000-00-00T00:00:00.000Z");
    let expected = format!(
        r#"{{"order_id":{id},"user_id":123,"status":"PAID","currency":"USD","total_price":0.12,"total_price_text":"0.12","order_items":[{{"product_code":"sku1","unit_price":0.12,"unit_price_text":"0.12","quantity":1}}],"created_at":"{created_at}"}}"#
    );
    assert_eq!(placed.text(), format!("{expected}\n"));

    let read = client.get(placed.header("location")).await;
    assert_eq!((read.status.as_u16(), read.text()), (200, placed.text()));
    let listed = client.get("/orders?user_id=123").await;
    assert_eq!(listed.text(), format!("{{\"orders\":[{expected}],\"next_page_token\":\"\"}}\n"));
    let payment = payment_of(&system, id).await;
    assert_eq!((payment.status(), payment.user_id), (PaymentStatus::Charged, 123));
    let total = payment.total.unwrap();
    assert_eq!((total.currency_code.as_str(), total.units, total.nanos), ("USD", 0, 120_000_000));
}

#[tokio::test]
async fn amounts_have_the_decimals_of_their_currency() {
    let (_system, client) = start_with_limits("USD:1000,EUR:1000,JPY:1000,KWD:1000").await;
    for (currency, price, quantity, unit, total) in [
        ("USD", "1", 3, "1.00", "3.00"),
        ("USD", "0.10", 1, "0.10", "0.10"),
        ("USD", "0.1", 3, "0.10", "0.30"),
        ("USD", "\"0.12\"", 1, "0.12", "0.12"),
        ("USD", "1.2e-1", 1, "0.12", "0.12"),
        ("USD", "\"1E2\"", 1, "100.00", "100.00"),
        ("EUR", "0.07", 100, "0.07", "7.00"),
        ("JPY", "12", 2, "12", "24"),
        ("JPY", "1.2e1", 1, "12", "12"),
        ("JPY", "12.00", 1, "12", "12"),
        ("KWD", "0.001", 3, "0.001", "0.003"),
        ("KWD", "1", 1, "1.000", "1.000"),
    ] {
        let placed = client
            .post(format!(
                r#"{{"currency":"{currency}","user_id":7,"order_items":[{{"product_code":"a","unit_price":{price},"quantity":{quantity}}}]}}"#
            ))
            .await;
        assert_eq!(placed.status, 201, "{currency} {price}");
        let amounts = format!(
            r#""currency":"{currency}","total_price":{total},"total_price_text":"{total}","order_items":[{{"product_code":"a","unit_price":{unit},"unit_price_text":"{unit}","quantity":{quantity}}}]"#
        );
        assert!(placed.text().contains(&amounts), "{amounts}: {}", placed.text());
        assert_eq!(client.get(placed.header("location")).await.text(), placed.text());
    }
}

#[tokio::test]
async fn large_amounts_keep_every_digit() {
    let (system, client) = start_with_limits("USD:900719925474").await;
    let placed = client.post(EXAMPLE.replace("0.12", "900719925473.99")).await;
    assert_eq!(placed.status, 201);
    assert!(placed.text().contains(r#""total_price":900719925473.99,"#), "{}", placed.text());
    assert_eq!(client.get(placed.header("location")).await.text(), placed.text());
    let total = payment_of(&system, placed.order_id()).await.total.unwrap();
    assert_eq!((total.units, total.nanos), (900_719_925_473, 990_000_000));

    // The largest amount: 2^53 - 1 cents.
    let declined = client.post(EXAMPLE.replace("0.12", "90071992547409.91")).await;
    assert_eq!(declined.status, 402);
    let read = client.get(&format!("/orders/{}", declined.order_id())).await;
    assert!(read.text().contains(r#""total_price":90071992547409.91,"#), "{}", read.text());
}

#[tokio::test]
async fn hundred_items_in_any_script_keep_their_order() {
    let (_system, client) = start().await;
    let codes = ["商品", "größe", "e\u{301}", "\u{202e}rtl", "🧦", "\"\\/", "'; --", "\u{2028}", " a ", "𝒳"];
    let items: Vec<Value> = (0..100)
        .map(|i| json!({ "product_code": format!("{}{i}", codes[i % 10]), "unit_price": format!("0.{i:02}"), "quantity": 1 }))
        .collect();
    let placed = client.post(json!({ "user_id": USER_MAX, "order_items": items })).await;
    assert_eq!(placed.status, 201);
    let order = placed.json();
    assert_eq!(order["user_id"], USER_MAX);
    assert!(placed.text().contains(r#""total_price":49.50,"#), "{}", placed.text());
    let codes_read: Vec<&Value> =
        order["order_items"].as_array().unwrap().iter().map(|i| &i["product_code"]).collect();
    assert_eq!(codes_read, items.iter().map(|item| &item["product_code"]).collect::<Vec<_>>());
    assert_eq!(client.get(placed.header("location")).await.text(), placed.text());
}

#[tokio::test]
async fn largest_values_are_accepted() {
    let (_system, client) = start_with_limits("USD:1000000").await;
    let code = "🧦".repeat(100);
    let item = json!({ "product_code": code, "unit_price": 0.01, "quantity": 1_000_000 });
    let placed = client.post(json!({ "user_id": USER_MAX, "order_items": vec![item; 100] })).await;
    assert_eq!(placed.status, 201, "{}", placed.text());
    assert!(placed.text().contains(r#""total_price":1000000.00,"#));
    let listed = client.get(&format!("/orders?user_id={USER_MAX}")).await;
    assert_eq!(listed.json()["orders"], json!([placed.json()]));
}

#[tokio::test]
async fn order_over_the_credit_limit_is_declined_and_charges_nothing() {
    let (system, client) = start().await;
    let declined = client.post(order_body(123, json!("1000.01"))).await;
    assert_eq!(declined.status, 402);
    let problem = declined.problem();
    assert_eq!(problem["errors"], json!([{ "field": "payment", "detail": "insufficient balance" }]));
    assert_eq!(problem["type"], "/problems/payment-declined");
    assert_eq!(
        (&problem["code"], &problem["reason"]),
        (&json!("INVALID_ARGUMENT"), &json!("PAYMENT_DECLINED"))
    );
    assert_eq!(problem["metadata"]["decline_reason"], "INSUFFICIENT_BALANCE");
    assert_eq!(problem["retryable"], false);
    assert_eq!(declined.header("idempotent-replayed"), "");

    let id = declined.order_id();
    let read = client.get(&format!("/orders/{id}")).await;
    assert_eq!(read.status, 200);
    let order = read.json();
    assert_eq!(
        (&order["status"], &order["decline_reason"]),
        (&json!("DECLINED"), &json!("INSUFFICIENT_BALANCE"))
    );
    assert!(read.text().contains(r#""total_price":1000.01,"#), "{}", read.text());
    assert_eq!(payment_of(&system, id).await.status(), PaymentStatus::Declined);

    // The credit is unchanged.
    assert_eq!(client.post(order_body(123, json!(1000))).await.status, 201);
    assert_eq!(client.post(order_body(123, json!("0.01"))).await.status, 402);
}

#[tokio::test]
async fn accounts_are_separate_by_user_and_currency() {
    let (_system, client) = start_with_limits("USD:1000,JPY:1000").await;
    let in_yen = |user, price: i64| {
        let mut body = order_body(user, json!(price));
        body["currency"] = json!("JPY");
        body
    };
    assert_eq!(client.post(order_body(1, json!(1000))).await.status, 201);
    assert_eq!(client.post(in_yen(1, 1000)).await.status, 201);
    assert_eq!(client.post(order_body(2, json!(1000))).await.status, 201);
    for spent in [order_body(1, json!("0.01")), in_yen(1, 1), order_body(2, json!("0.01"))] {
        assert_eq!(client.post(&spent).await.status, 402, "{spent}");
    }
}

#[tokio::test]
async fn a_new_customer_has_the_default_limit_in_each_accepted_currency_and_none_in_others() {
    let (system, client) = start().await;
    for (user, currency) in (1..).zip(Currency::all().map(Currency::code)) {
        let body = |price: i64| {
            let mut body = order_body(user, json!(price));
            body["currency"] = json!(currency);
            body
        };
        let limit = match currency {
            "USD" | "EUR" | "GBP" => Some(1_000),
            "JPY" => Some(150_000),
            _ => None,
        };
        if let Some(limit) = limit {
            assert_eq!(client.post(body(limit)).await.status, 201, "{currency}");
        }
        let declined = client.post(body(1)).await;
        assert_eq!(declined.status, 402, "{currency}");
        let (reason, detail) = match limit {
            Some(_) => ("INSUFFICIENT_BALANCE", "insufficient balance"),
            None => ("CURRENCY_NOT_ACCEPTED", "currency not accepted"),
        };
        let problem = declined.problem();
        assert_eq!(problem["metadata"]["decline_reason"], reason, "{currency}");
        assert_eq!(problem["errors"], json!([{ "field": "payment", "detail": detail }]), "{currency}");
        let order: Value = client.get(&format!("/orders/{}", declined.order_id())).await.json();
        assert_eq!((&order["status"], &order["decline_reason"]), (&json!("DECLINED"), &json!(reason)));
        assert_eq!(payment_of(&system, declined.order_id()).await.decline_reason, reason);
    }
}
