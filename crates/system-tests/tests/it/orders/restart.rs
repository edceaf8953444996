//! Restarts of the system on the same data directory.

use all_in_one::{Options, System};
use serde_json::json;

use super::EXAMPLE;
use crate::support::{Client, order_body};

#[tokio::test(flavor = "multi_thread")]
async fn restart_keeps_orders_accounts_and_keys() {
    let data = tempfile::tempdir().unwrap();
    let options = || Options { data: Some(data.path().to_owned()), ..Options::default() };
    let system = System::start_with(options()).await.unwrap();
    let client = Client::new(system.gateway_url());
    let paid = client.post_with(&[("idempotency-key", "k")], EXAMPLE).await;
    let declined = client.post(order_body(123, json!(1000))).await;
    assert_eq!((paid.status.as_u16(), declined.status.as_u16()), (201, 402));
    let paths = [paid.header("location").to_owned(), format!("/orders/{}", declined.order_id())];
    let paths = [&paths[..], &["/orders?user_id=123".to_owned()]].concat();
    let mut before = Vec::new();
    for path in &paths {
        before.push(client.get(path).await.text().to_owned());
    }
    system.stop().await.unwrap();

    let system = System::start_with(options()).await.unwrap();
    let client = Client::new(system.gateway_url());
    for (path, text) in paths.iter().zip(before) {
        assert_eq!(client.get(path).await.text(), text, "{path}");
    }
    let again = client.post_with(&[("idempotency-key", "k")], EXAMPLE).await;
    assert_eq!((again.text(), again.header("idempotent-replayed")), (paid.text(), "true"));
    // The account still has its charge of 0.12, and ids keep increasing.
    assert_eq!(client.post(order_body(123, json!("999.89"))).await.status, 402);
    let rest = client.post(order_body(123, json!("999.88"))).await;
    assert_eq!(rest.status, 201);
    assert!(rest.order_id() > declined.order_id());
    system.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn data_directory_is_locked_to_one_instance() {
    let data = tempfile::tempdir().unwrap();
    let options = || Options { data: Some(data.path().to_owned()), ..Options::default() };
    let first = System::start_with(options()).await.unwrap();
    let rejected = System::start_with(options()).await.unwrap_err();
    assert!(rejected.to_string().contains("another instance uses"), "{rejected}");
    first.stop().await.unwrap();
    System::start_with(options()).await.unwrap().stop().await.unwrap();
}
