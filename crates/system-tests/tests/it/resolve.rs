//! A mismatch: Order finds it, counts it once, and an operator closes it with `order resolve`.

use std::{net::SocketAddr, path::Path, time::Duration};

use all_in_one::{Options, System};
use serde_json::json;
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Executor};

use crate::support::{Client, order_body, process::Process, scrape};

const OPEN: &str = "order_payment_mismatches_open";

/// A system with a data directory, and an order whose payment has another amount.
struct Fixture {
    data: tempfile::TempDir,
    system: System,
    client: Client,
}

impl Fixture {
    async fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let options = Options { data: Some(data.path().to_owned()), ..Options::default() };
        let system = System::start_with(options).await.unwrap();
        let client = Client::new(system.gateway_url());
        Self { data, system, client }
    }

    /// Changes a row without the service.
    async fn change(&self, service: &str, sql: String) {
        sqlx::any::install_default_drivers();
        let url = database_url(self.data.path(), service);
        let mut connection = AnyConnection::connect(&url).await.unwrap();
        connection.execute(AssertSqlSafe(sql)).await.unwrap();
        connection.close().await.unwrap();
    }

    /// An order of `user` that is PENDING, while its payment has this amount.
    async fn mismatch(&self, user: i64, minor: i64) -> i64 {
        let order = self.client.post(order_body(user, json!("0.12"))).await.order_id();
        let pay = format!("UPDATE payments SET amount_minor = {minor} WHERE order_id = {order}");
        self.change("payment", pay).await;
        let reopen = format!(
            "UPDATE orders SET status = 'PENDING', next_check_at_ms = 0,
                 pending_since_ms = unixepoch() * 1000 WHERE order_id = {order}"
        );
        self.change("order", reopen).await;
        order
    }

    /// Runs a command of Order: stdout, stderr and the exit code.
    async fn order(&self, arguments: &str) -> (String, String, Option<i32>) {
        let arguments: Vec<&str> = ["order"].into_iter().chain(arguments.split(' ')).collect();
        let environment = [
            ("DB_DRIVER", "sqlite".to_owned()),
            ("DATA_SOURCE_URL", database_url(self.data.path(), "order")),
            ("PAYMENT_SERVICE_URL", self.system.payment_address().to_string()),
        ];
        let exit = Process::start(&arguments, &environment).wait().await;
        (exit.stdout.join("\n"), exit.stderr.join("\n"), exit.code)
    }
}

fn database_url(data: &Path, service: &str) -> String {
    format!("sqlite://{}", data.join(format!("{service}.db")).display())
}

/// The value of a metric.
fn value(page: &str, name: &str) -> String {
    let value = page.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    value.unwrap().to_owned()
}

/// Waits until a metric of Order has this value; returns how many mismatches were counted.
async fn counted(admin: SocketAddr, name: &str, expected: u64) -> String {
    tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            let page = scrape::page(admin).await;
            if value(&page, name) == expected.to_string() {
                return value(&page, "order_payment_mismatches_total");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn mismatch_is_counted_once_and_closed_by_an_operator() {
    let fixture = Fixture::start().await;
    let admin = fixture.system.order_admin();
    let order = fixture.mismatch(7, 13).await;
    assert_eq!(counted(admin, OPEN, 1).await, "1");
    // The next check finds nothing new.
    let due = format!("UPDATE orders SET next_check_at_ms = 0 WHERE order_id = {order}");
    fixture.change("order", due).await;
    assert_eq!(counted(admin, "order_recoveries_total{outcome=\"answered\"}", 2).await, "1");

    let (listed, _, code) = fixture.order("mismatches").await;
    assert!(listed.starts_with(&format!("order {order}: found ")) && listed.ends_with(", open"), "{listed}");
    assert_eq!(code, Some(0));
    let (shown, _, code) = fixture.order(&format!("resolve --order-id {order}")).await;
    assert!(shown.contains("is PENDING, 0.12 USD of user 7"), "{shown}");
    assert!(shown.contains("Payment has CHARGED, 0.13 USD of user 7"), "{shown}");
    assert_eq!((shown.ends_with("voids the order"), code), (true, Some(0)), "{shown}");

    let void = format!("resolve --order-id {order} --as voided --by alice --reason refunded");
    let (done, error, code) = fixture.order(&void).await;
    assert!(done.contains(", PENDING → VOIDED "), "{done}{error}");
    assert!(done.ends_with(" by alice: refunded (Payment had CHARGED, 0.13 USD of user 7)"), "{done}");
    assert_eq!(code, Some(0));
    assert_eq!(fixture.client.get(&format!("/orders/{order}")).await.json()["status"], "VOIDED");
    assert_eq!(counted(admin, OPEN, 0).await, "1");

    // A second operator is refused, and the record stays.
    let (_, refused, code) = fixture.order(&void.replace("alice", "bob")).await;
    assert_eq!(refused, format!("order {order} is VOIDED, and only a PENDING order is resolved"));
    assert_eq!(code, Some(69));
    assert_eq!(fixture.order("mismatches").await, ("no mismatch".to_owned(), String::new(), Some(0)));
    assert_eq!(fixture.order("mismatches --all").await.0, done);

    // The account was changed by hand; the audit knows of the order.
    fixture.change("payment", "UPDATE accounts SET charged_minor = 13 WHERE user_id = 7".to_owned()).await;
    let data = fixture.data.path().to_str().unwrap();
    let audit = Process::start(&["audit", "--data", data], &[]).wait().await;
    assert_eq!((audit.code, audit.stdout.len()), (Some(0), 1), "{audit:?}");
    fixture.system.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn order_that_is_no_mismatch_is_not_resolved() {
    let mut fixture = Fixture::start().await;
    let flags = "--as voided --by alice --reason tired";
    let paid = fixture.client.post(order_body(1, json!("0.12"))).await.order_id();
    let mismatch = fixture.mismatch(2, 13).await;
    fixture.system.stop_payment().await.unwrap();
    let pending = fixture.client.post(order_body(3, json!("0.12"))).await.order_id();

    // Payment is down: nothing is confirmed.
    for order in [paid, mismatch, pending] {
        let (_, error, code) = fixture.order(&format!("resolve --order-id {order} {flags}")).await;
        assert_eq!(code, Some(69));
        assert!(error.ends_with("nothing was changed"), "{error}");
    }
    let (_, error, code) = fixture.order(&format!("resolve --order-id {} {flags}", i64::MAX)).await;
    assert_eq!((error, code), (format!("order {} does not exist", i64::MAX), Some(69)));
    for (wrong, code) in [
        (format!("resolve --order-id {mismatch} --as paid --by alice --reason why"), 64),
        (format!("resolve --order-id {mismatch} --as voided --by alice"), 64),
        (format!("resolve --order-id {mismatch} --as voided --reason why"), 64),
        ("resolve --order-id 0 --as voided --by alice --reason why".to_owned(), 64),
    ] {
        assert_eq!(fixture.order(&wrong).await.2, Some(code), "{wrong}");
    }
    let status = fixture.client.get(&format!("/orders/{mismatch}")).await.json()["status"].clone();
    assert_eq!(status, "PENDING");
}

#[tokio::test(flavor = "multi_thread")]
async fn order_whose_payment_agrees_is_left_to_order() {
    let fixture = Fixture::start().await;
    // Order is due in an hour, as after a claim, so that the command meets a PENDING order.
    let order = fixture.client.post(order_body(1, json!("0.12"))).await.order_id();
    let later = "status = 'PENDING', next_check_at_ms = unixepoch() * 1000 + 3600000";
    fixture.change("order", format!("UPDATE orders SET {later} WHERE order_id = {order}")).await;
    let resolve = format!("resolve --order-id {order} --as voided --by alice --reason tired");
    let (_, error, code) = fixture.order(&resolve).await;
    let expected = format!(
        "Payment has CHARGED, 0.12 USD of user 1, which is no mismatch: Order settles order {order} by it"
    );
    assert_eq!((error, code), (expected, Some(69)));
    fixture.change("payment", format!("DELETE FROM payments WHERE order_id = {order}")).await;
    let (_, error, code) = fixture.order(&resolve).await;
    assert!(error.starts_with(&format!("Payment has no record of order {order}: no mismatch")), "{error}");
    assert_eq!(code, Some(69));
    assert_eq!(fixture.client.get(&format!("/orders/{order}")).await.json()["status"], "PENDING");
    fixture.system.stop().await.unwrap();
}
