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
    audit_with(data, &[]).await
}

/// As [`audit`], with more arguments.
async fn audit_with(data: &Path, arguments: &[&str]) -> (String, Option<i32>) {
    let arguments = [&["audit", "--data", data.to_str().unwrap()], arguments].concat();
    let mut exit = Process::start(&arguments, &[]).wait().await;
    // A slow machine shows the progress.
    exit.stderr.retain(|line| !line.starts_with("audit: read "));
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
async fn audit_reads_several_pages_of_accounts() {
    let data = tempfile::tempdir().unwrap();
    let (system, _) = started(&data).await;
    system.stop().await.unwrap();
    // 2,501 accounts: two currencies of 1,250 users, so that a page ends between the two of one user.
    let fill = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1250)";
    for (base, currency) in [(0, "EUR"), (10_000, "USD")] {
        let payments = format!(
            "INSERT INTO payments (order_id, payment_id, status, bill_id, user_id, currency, amount_minor,
                 created_at_ms)
             {fill} SELECT {base} + i, {base} + i, 'CHARGED', {base} + i, i, '{currency}', 2, 1 FROM n"
        );
        let accounts = format!(
            "INSERT INTO accounts (user_id, currency, credit_limit_minor, charged_minor, created_at_ms)
             {fill} SELECT i, '{currency}', 100, 2, 1 FROM n"
        );
        let orders = format!(
            "INSERT INTO orders (order_id, user_id, idempotency_key, fingerprint, status, currency, total_minor,
                 item_count, fence, attempts, created_at_ms, pending_since_ms, next_check_at_ms)
             {fill} SELECT {base} + i, i, 'key-' || ({base} + i), 'f', 'PAID', '{currency}', 2, 0, 0, 0, 1, 1, 1
             FROM n"
        );
        corrupt(&data, "payment", payments).await;
        corrupt(&data, "payment", accounts).await;
        corrupt(&data, "order", orders).await;
    }
    let agree = "2500 orders and 2500 payments: 0 disagreements".to_owned();
    assert_eq!(audit(data.path()).await, (agree, Some(0)));
    let sql = "UPDATE accounts SET charged_minor = 3 WHERE user_id IN (500, 1250) AND currency = 'USD';
               DELETE FROM accounts WHERE user_id = 501 AND currency = 'EUR';
               INSERT INTO accounts (user_id, currency, credit_limit_minor, charged_minor, created_at_ms)
               VALUES (9000, 'GBP', 1, 0, 1), (9001, 'GBP', 1, 1, 1)";
    corrupt(&data, "payment", sql.to_owned()).await;
    let line = |account| format!("user {account}: the amount charged is not the sum of the CHARGED payments");
    let mut expected = ["500, USD", "501, EUR", "1250, USD", "9001, GBP"].map(line).to_vec();
    expected.push("2500 orders and 2500 payments: 4 disagreements".to_owned());
    assert_eq!(audit(data.path()).await, (expected.join("\n"), Some(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_since_a_time_compares_later_orders_alone() {
    let data = tempfile::tempdir().unwrap();
    let (system, client) = started(&data).await;
    let old = client.post(order_body(1, json!("0.12"))).await.order_id();
    let new = client.post(order_body(2, json!("0.12"))).await.order_id();
    system.stop().await.unwrap();
    // The old order is of the year 2026's first second.
    for service in ["order", "payment"] {
        let tables = if service == "order" { &["order_items", "orders"][..] } else { &["payments"] };
        for table in tables {
            let sql =
                format!("PRAGMA foreign_keys = OFF; UPDATE {table} SET order_id = 7 WHERE order_id = {old}");
            corrupt(&data, service, sql).await;
        }
    }
    corrupt(&data, "payment", "UPDATE payments SET amount_minor = 13 WHERE order_id = 7".to_owned()).await;
    let (all, code) = audit(data.path()).await;
    assert!(all.ends_with("2 orders and 2 payments: 2 disagreements"), "{all}");
    assert_eq!(code, Some(1));
    for since in ["1h", "2d"] {
        let expected = format!("1 order and 1 payment since {since}: 0 disagreements; accounts not compared");
        assert_eq!(audit_with(data.path(), &["--since", since]).await, (expected, Some(0)));
    }
    corrupt(&data, "payment", format!("DELETE FROM payments WHERE order_id = {new}")).await;
    let (later, code) = audit_with(data.path(), &["--since", "1h"]).await;
    let expected = format!("order {new}: PAID, 0.12 USD of user 2, but unknown to Payment");
    let summary = "1 order and 0 payments since 1h: 1 disagreement; accounts not compared";
    assert_eq!((later, code), (format!("{expected}\n{summary}"), Some(1)));
}

#[tokio::test]
async fn an_invalid_time_is_a_usage_error() {
    for since in ["yesterday", "0h", "2026-02-30", ""] {
        let exit = Process::start(&["audit", "--since", since], &[]).wait().await;
        assert_eq!((exit.code, exit.stdout.len()), (Some(64), 0), "{exit:?}");
        assert!(exit.stderr.concat().contains("24h"), "{exit:?}");
    }
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
