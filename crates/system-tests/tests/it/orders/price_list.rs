//! Orders priced by a price list, loaded with the operator's command.

use std::path::Path;

use all_in_one::{Options, System};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{EXAMPLE, start};
use crate::support::{Client, Response, process::Process};

/// Runs `order-system order prices load` with a file of these lines.
async fn load(data: &Path, lines: &str, flags: &[&str]) {
    let file = data.join("prices.csv");
    std::fs::write(&file, format!("product_code,currency,unit_price\n{lines}\n")).unwrap();
    run(data, &[&["order", "prices", "load", file.to_str().unwrap()], flags].concat()).await;
}

/// Runs a command on Order's database.
async fn run(data: &Path, arguments: &[&str]) {
    let url = format!("sqlite://{}", data.join("order.db").display());
    let vars = [("DB_DRIVER", "sqlite".to_owned()), ("DATA_SOURCE_URL", url)];
    let exit = Process::start(arguments, &vars).wait().await;
    assert_eq!((exit.code, exit.stderr), (Some(0), vec![]));
}

async fn start_with_prices(lines: &str) -> (TempDir, System, Client) {
    let data = tempfile::tempdir().unwrap();
    run(data.path(), &["order", "migrate"]).await;
    load(data.path(), lines, &[]).await;
    let options = Options { data: Some(data.path().to_owned()), ..Options::default() };
    let system = System::start_with(options.var("PRICE_LIST", "database")).await.unwrap();
    let client = Client::new(system.gateway_url());
    (data, system, client)
}

fn order(items: Value) -> Value {
    json!({ "user_id": 123, "order_items": items })
}

/// Each error as field, pointer and reason.
fn errors(response: &Response) -> Vec<(String, String, String)> {
    let problem = response.problem();
    assert_eq!((response.status.as_u16(), &problem["type"]), (400, &json!("/problems/invalid-argument")));
    let text = |error: &Value, member: &str| error[member].as_str().unwrap_or_default().to_owned();
    let errors = problem["errors"].as_array().unwrap();
    errors.iter().map(|error| (text(error, "field"), text(error, "pointer"), text(error, "reason"))).collect()
}

fn error(field: &str, pointer: &str, reason: &str) -> (String, String, String) {
    (field.to_owned(), pointer.to_owned(), reason.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_price_is_filled_from_the_price_list() {
    let (_data, system, client) = start_with_prices("sku1,USD,0.12\nsku2,USD,19.99").await;
    let items = json!([
        { "product_code": "sku1", "quantity": 3 },
        { "product_code": "sku2", "unit_price": "19.99", "quantity": 1 },
    ]);
    let placed = client.post(order(items)).await;
    assert_eq!(placed.status, 201, "{}", placed.text());
    let expected = concat!(
        r#""total_price":20.35,"total_price_text":"20.35","order_items":["#,
        r#"{"product_code":"sku1","unit_price":0.12,"unit_price_text":"0.12","quantity":3},"#,
        r#"{"product_code":"sku2","unit_price":19.99,"unit_price_text":"19.99","quantity":1}]"#
    );
    assert!(placed.text().contains(expected), "{}", placed.text());
    assert_eq!(client.get(placed.header("location")).await.text(), placed.text());
    assert_eq!(client.post(EXAMPLE).await.status, 201);
    system.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn price_list_violations_have_pointers() {
    let (_data, system, client) = start_with_prices("sku1,USD,0.12").await;
    let items = json!([
        { "product_code": "sku1", "unit_price": 0.11, "quantity": 1 },
        { "product_code": "sku1", "quantity": 1 },
        { "product_code": "sku2", "unit_price": 1, "quantity": 1 },
        { "product_code": "sku3", "quantity": 1 },
    ]);
    let expected = [
        error("order_items[0].unit_price", "#/order_items/0/unit_price", "PRICE_MISMATCH"),
        error("order_items[2].product_code", "#/order_items/2/product_code", "NO_PRICE"),
        error("order_items[3].product_code", "#/order_items/3/product_code", "NO_PRICE"),
    ];
    assert_eq!(errors(&client.post(order(items)).await), expected);
    assert_eq!(client.get("/orders?user_id=123").await.json()["orders"], json!([]));
    system.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn replay_ignores_a_changed_price_list() {
    let (data, system, client) = start_with_prices("sku1,USD,0.12").await;
    let body = order(json!([{ "product_code": "sku1", "quantity": 1 }]));
    let placed = client.post_with(&[("idempotency-key", "k")], &body).await;
    assert_eq!(placed.status, 201);
    for (lines, flags) in [("sku1,USD,0.13", &[][..]), ("sku2,USD,1", &["--replace"])] {
        load(data.path(), lines, flags).await;
        let again = client.post_with(&[("idempotency-key", "k")], &body).await;
        assert_eq!((again.text(), again.header("idempotent-replayed")), (placed.text(), "true"));
    }
    assert_eq!(errors(&client.post(&body).await).len(), 1);
    system.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn price_is_required_without_a_price_list() {
    let (system, client) = start().await;
    let missing = order(json!([{ "product_code": "sku1", "quantity": 0 }]));
    let expected = [
        error("order_items[0].unit_price", "#/order_items/0", ""),
        error("order_items[0].quantity", "#/order_items/0/quantity", ""),
    ];
    assert_eq!(errors(&client.post(missing).await), expected);
    assert_eq!(client.post(EXAMPLE).await.status, 201);
    system.stop().await.unwrap();
}
