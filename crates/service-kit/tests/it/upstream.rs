//! The channels to upstream services.

use std::sync::Arc;

use grpc_client::Metrics;
use proto::order::order_client::OrderClient;
use service_kit::{
    metrics::{Registry, render},
    tls,
    upstream::UpstreamConfig,
};
use tonic::Code;

use crate::serving::{Handler, Serving, get};

#[tokio::test]
async fn metrics_of_several_upstreams_are_exported_once_with_a_target_each() {
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let registry = Arc::new(registry);
    let mut running = Vec::new();
    for _ in 0..2 {
        let serving = Serving::start(Handler::echo()).await;
        let upstream = UpstreamConfig::parse(&serving.address.to_string(), "{}").unwrap();
        let mut client = OrderClient::new(upstream.channel(&tls::Config::default(), &metrics).unwrap());
        assert_eq!(client.get(get(0)).await.unwrap_err().code(), Code::NotFound);
        // The series of a channel are removed with it.
        running.push((serving, client));
    }
    let page = render(&registry);
    let lines = |start: &str| page.lines().filter(|line| line.starts_with(start)).count();
    assert_eq!(lines("# TYPE grpc_client_attempt_started "), 1, "{page}");
    for (serving, _) in &running {
        let series = format!("grpc_client_attempt_started_total{{grpc_target=\"{}\"", serving.address);
        assert_eq!(lines(&series), 1, "{page}");
    }
}
