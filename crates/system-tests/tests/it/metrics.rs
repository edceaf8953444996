//! Metrics for operators: placements, charges, database operations, requests.

use all_in_one::System;

use crate::support::{Client, eventually, order_body, scrape};

/// The value of the sample with this name and these labels.
fn value(page: &str, sample: &str) -> Option<f64> {
    let rest = page.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '))?;
    rest.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn placements_are_counted_by_outcome_and_charges_by_currency() {
    let mut system = System::start().await.unwrap();
    let client = Client::new(system.gateway_url());
    let key = [("idempotency-key", "k")];
    for (price, status) in [(7.89, 201), (7.89, 201), (98_765.43, 422)] {
        let response = client.post_with(&key, order_body(1, price.into()).to_string()).await;
        assert_eq!(response.status, status);
    }
    assert_eq!(client.post(order_body(1, 98_765.43.into()).to_string()).await.status, 402);
    assert_eq!(client.post(order_body(2, 0.11.into()).to_string()).await.status, 201);
    let payment = scrape::page(system.payment_admin()).await;
    for (sample, count) in [
        ("payment_charges_total{outcome=\"charged\"}", 2.0),
        ("payment_charges_total{outcome=\"declined\"}", 1.0),
        ("payment_charged_minor_units_total{currency=\"USD\"}", 800.0),
    ] {
        assert_eq!(value(&payment, sample), Some(count), "{payment}");
    }
    system.stop_payment().await.unwrap();
    assert_eq!(client.post(order_body(1, 1.into()).to_string()).await.status, 503);
    let order = scrape::page(system.order_admin()).await;
    for (outcome, count) in [("paid", 2.0), ("declined", 1.0), ("not_charged", 1.0), ("repeated", 2.0)] {
        let sample = format!("order_placements_total{{outcome=\"{outcome}\"}}");
        assert_eq!(value(&order, &sample), Some(count), "{order}");
    }
    system.stop().await.unwrap();
}

/// The library registers a name twice without an error, and the page is then no valid OpenMetrics.
#[tokio::test(flavor = "multi_thread")]
async fn every_metric_is_exported_once() {
    let system = System::start().await.unwrap();
    let client = Client::new(system.gateway_url());
    assert_eq!(client.post(order_body(1, 1.into()).to_string()).await.status, 201);
    for admin in [system.gateway_admin(), system.order_admin(), system.payment_admin()] {
        let page = scrape::page(admin).await;
        let mut names: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
        let count = names.len();
        assert!(count > 10, "{page}");
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "{page}");
    }
    system.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn database_and_request_metrics_are_recorded() {
    let system = System::start().await.unwrap();
    let client = Client::new(system.gateway_url());
    assert_eq!(client.post(order_body(1, 1.into()).to_string()).await.status, 201);
    let insert = "db_client_operation_duration_seconds_count{db_system_name=\"sqlite\",\
                  db_operation_name=\"INSERT\",db_collection_name=\"orders\",error_type=\"\"}";
    let order = eventually("reads by the reconciler", async || {
        let page = scrape::page(system.order_admin()).await;
        let idle = value(&page, "db_client_connection_count{db_client_connection_state=\"idle\"}");
        idle.is_some_and(|idle| idle >= 1.0).then_some(page)
    })
    .await;
    assert_eq!(value(&order, insert), Some(1.0), "{order}");
    for (sample, least) in [
        ("db_client_connection_max", 1.0),
        ("db_client_connection_wait_time_seconds_count", 1.0),
        ("db_commit_group_size_count", 2.0),
        ("db_client_connection_timeouts_total", 0.0),
        ("db_client_connection_pending_requests", 0.0),
    ] {
        assert!(value(&order, sample).is_some_and(|value| value >= least), "{sample}: {order}");
    }
    let gateway = scrape::page(system.gateway_admin()).await;
    let placed = "http_server_request_duration_seconds_count{http_request_method=\"POST\",\
                  http_route=\"/orders\",http_response_status_code=\"201\"}";
    assert_eq!(value(&gateway, placed), Some(1.0), "{gateway}");
    system.stop().await.unwrap();
}
