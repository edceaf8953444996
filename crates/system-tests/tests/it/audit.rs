//! `order-system audit` finds no disagreement in correct databases, also during writes, and reports
//! every corruption.

use std::{path::Path, time::Duration};

use all_in_one::{Options, System};
use serde_json::json;
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Executor};
use tempfile::TempDir;

use crate::support::{Client, order_body, process::Process};

/// Runs the audit; returns its output and its exit code.
async fn audit(data: &Path) -> (String, Option<i32>) {
    let exit = Process::start(&["audit", "--data", data.to_str().unwrap()], &[]).wait().await;
    assert_eq!(exit.stderr, Vec::<String>::new());
    (exit.stdout.join("\n"), exit.code)
}

async fn started(data: &TempDir) -> (System, Client) {
    let options = Options { data: Some(data.path().to_owned()), ..Options::default() };
    let system = System::start_with(options).await.unwrap();
    let client = Client::new(system.gateway_url());
    (system, client)
}

/// Changes a row without the service.
async fn corrupt(data: &TempDir, service: &str, sql: String) {
    sqlx::any::install_default_drivers();
    let url = format!("sqlite://{}", data.path().join(format!("{service}.db")).display());
    let mut connection = AnyConnection::connect(&url).await.unwrap();
    connection.execute(AssertSqlSafe(sql)).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn audit_finds_no_disagreement_for_any_outcome() {
    let data = tempfile::tempdir().unwrap();
    let (mut system, client) = started(&data).await;
    assert_eq!(client.post(order_body(1, json!("0.12"))).await.status, 201);
    assert_eq!(client.post(order_body(1, json!(1000))).await.status, 402);
    system.stop_payment().await.unwrap();
    assert_eq!(client.post(order_body(1, json!("0.12"))).await.status, 503);
    assert_eq!(audit(data.path()).await, ("3 orders and 2 payments: 0 disagreements".to_owned(), Some(0)));
    system.stop().await.unwrap();
    assert_eq!(audit(data.path()).await, ("3 orders and 2 payments: 0 disagreements".to_owned(), Some(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn audit_reports_each_disagreement_once() {
    let data = tempfile::tempdir().unwrap();
    let (system, client) = started(&data).await;
    let mut ids = Vec::new();
    for user in 1..=5 {
        ids.push(client.post(order_body(user, json!("0.12"))).await.order_id());
    }
    system.stop().await.unwrap();
    let [amount, uncharged, unknown, pending, untouched] = ids[..] else { panic!("{ids:?}") };
    corrupt(&data, "payment", format!("UPDATE payments SET amount_minor = 13 WHERE order_id = {amount}"))
        .await;
    corrupt(&data, "payment", format!("DELETE FROM payments WHERE order_id = {uncharged}")).await;
    corrupt(&data, "order", format!("DELETE FROM order_items WHERE order_id = {unknown}")).await;
    corrupt(&data, "order", format!("DELETE FROM orders WHERE order_id = {unknown}")).await;
    corrupt(&data, "order", format!("UPDATE orders SET status = 'PENDING' WHERE order_id = {pending}")).await;
    let expected = [
        format!("order {amount}: PAID, 0.12 USD of user 1, but Payment has CHARGED, 0.13 USD of user 1"),
        format!("order {uncharged}: PAID, 0.12 USD of user 2, but unknown to Payment"),
        format!("order {unknown}: unknown to Order, but Payment has CHARGED, 0.12 USD of user 3"),
        "user 1, USD: the amount charged is not the sum of the CHARGED payments".to_owned(),
        "user 2, USD: the amount charged is not the sum of the CHARGED payments".to_owned(),
        "4 orders and 4 payments: 5 disagreements".to_owned(),
    ];
    let (output, code) = audit(data.path()).await;
    assert_eq!((output, code), (expected.join("\n"), Some(1)));
    assert!(!expected.iter().any(|line| line.contains(&untouched.to_string())));
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_in_progress_are_not_disagreements() {
    let data = tempfile::tempdir().unwrap();
    let (system, client) = started(&data).await;
    let placing: Vec<_> = (1..=8)
        .map(|user| {
            let client = client.clone();
            tokio::spawn(async move {
                for _ in 0..1000 {
                    assert_eq!(client.post(order_body(user, json!("0.01"))).await.status, 201);
                }
            })
        })
        .collect();
    let mut audits = 0;
    while !placing.iter().all(tokio::task::JoinHandle::is_finished) && audits < 5 {
        let (output, code) = audit(data.path()).await;
        assert_eq!(code, Some(0), "{output}");
        audits += 1;
    }
    assert!(audits > 1, "the orders were finished before the second audit");
    for task in placing {
        task.abort();
    }
    tokio::time::timeout(Duration::from_secs(60), system.stop()).await.unwrap().unwrap();
}

#[tokio::test]
async fn audit_reports_a_missing_database_and_creates_none() {
    let data = tempfile::tempdir().unwrap();
    let exit = Process::start(&["audit", "--data", data.path().to_str().unwrap()], &[]).wait().await;
    assert_eq!((exit.code, exit.stderr.len()), (Some(69), 1), "{exit:?}");
    assert!(exit.stderr[0].contains("order.db"), "{exit:?}");
    assert_eq!(std::fs::read_dir(data.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn audit_reports_every_invalid_variable() {
    let environment = [("ORDER_DB_DRIVER", "oracle".to_owned())];
    let exit = Process::start(&["audit"], &environment).wait().await;
    let expected = [
        "ORDER_DB_DRIVER environment variable is invalid: found \"oracle\"; accepted: sqlite, mysql or postgres.",
        "ORDER_DATA_SOURCE_URL environment variable is missing.",
        "PAYMENT_DB_DRIVER environment variable is missing.",
        "PAYMENT_DATA_SOURCE_URL environment variable is missing.",
    ];
    assert_eq!((exit.stderr, exit.code), (expected.map(str::to_owned).to_vec(), Some(64)));
}
