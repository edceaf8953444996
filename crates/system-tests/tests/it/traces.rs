//! Traces from the HTTP request through both gRPC calls to SQL, as exported to a collector; and
//! orders while the collector is down.

use std::{
    collections::HashMap,
    net::TcpListener,
    time::{Duration, Instant},
};

use all_in_one::Options;
use serde_json::{Value, json};

use crate::{
    processes::Services,
    support::{eventually, raw::RawConnection, scrape, start_system},
    traces::collector::{Collector, ExportedSpan},
};

pub(crate) mod collector;

const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";
const ORDER: &str =
    r#"{"user_id":90017,"order_items":[{"product_code":"canary-code","unit_price":7.89,"quantity":1}]}"#;

/// `traceparent` of the caller's span with these flags.
fn parent(flags: &str) -> String {
    format!("00-{TRACE_ID}-{CALLER}-{flags}")
}

fn options(endpoint: &str) -> Options {
    Options::default()
        .var("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        .var("OTEL_BSP_SCHEDULE_DELAY", 50)
        .var("OTEL_EXPORTER_OTLP_HEADERS", "x-token=canary%2Dtoken")
}

/// Variables of a process that exports to `collector` without delay.
fn exporter_vars(collector: &Collector) -> [(&'static str, String); 2] {
    [("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint()), ("OTEL_BSP_SCHEDULE_DELAY", "50".to_owned())]
}

/// Each span's name with its parent's name.
fn parent_names(spans: &[ExportedSpan]) -> Vec<(String, String)> {
    let names: HashMap<String, String> = spans.iter().map(|span| (span.span_id(), span.name())).collect();
    let parent = |span: &ExportedSpan| match span.parent_id() {
        id if id == CALLER => "the caller".to_owned(),
        id => names.get(&id).unwrap_or_else(|| panic!("{id} is no span: {}", span.name())).clone(),
    };
    spans.iter().map(|span| (span.name(), parent(span))).collect()
}

fn named<'a>(spans: &'a [ExportedSpan], name: &str) -> &'a ExportedSpan {
    spans.iter().find(|span| span.name() == name).unwrap_or_else(|| panic!("no {name}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn order_is_one_trace_from_request_to_sql() {
    let collector = Collector::start().await;
    let (system, client) = start_system(options(&collector.endpoint())).await;
    let response = client.post_with(&[("traceparent", &parent("01"))], ORDER).await;
    assert_eq!(response.status, 201);
    let spans = collector.trace(TRACE_ID, 10).await;
    let edge = |name: &str, parent: &str| (name.to_owned(), parent.to_owned());
    assert_eq!(
        parent_names(&spans),
        [
            edge("gateway: POST /orders", "the caller"),
            edge("gateway: Order/Create", "gateway: POST /orders"),
            edge("gateway: Order/Create", "gateway: Order/Create"),
            edge("order: Order/Create", "gateway: Order/Create"),
            edge("order: INSERT orders", "order: Order/Create"),
            edge("order: Payment/Create", "order: Order/Create"),
            edge("order: Payment/Create", "order: Payment/Create"),
            edge("payment: Payment/Create", "order: Payment/Create"),
            edge("payment: INSERT payments", "payment: Payment/Create"),
            edge("order: UPDATE orders", "order: Order/Create"),
        ]
    );
    for (name, key, value) in [
        ("gateway: POST /orders", "http.request.method", "POST"),
        ("gateway: POST /orders", "http.route", "/orders"),
        ("gateway: POST /orders", "url.scheme", "http"),
        ("gateway: POST /orders", "http.response.status_code", "201"),
        ("gateway: Order/Create", "rpc.system.name", "grpc"),
        ("gateway: Order/Create", "rpc.response.status_code", "OK"),
        ("order: Order/Create", "rpc.method", "Order/Create"),
        ("order: INSERT orders", "db.system.name", "sqlite"),
        ("order: INSERT orders", "db.operation.name", "INSERT"),
        ("order: INSERT orders", "db.collection.name", "orders"),
        ("order: INSERT orders", "db.commit.group_size", "1"),
    ] {
        assert_eq!(named(&spans, name).attribute(key), value, "{name} {key}");
    }
    let attempt = &spans[2];
    assert_eq!(attempt.attribute("server.port"), system.order_address().port().to_string());
    // Span kinds: 2 is SERVER and 3 is CLIENT.
    let kinds: Vec<i32> = spans.iter().map(|span| span.span.kind).collect();
    assert_eq!(kinds, [2, 3, 3, 2, 3, 3, 3, 2, 3, 3]);
    assert!(spans.iter().all(|span| span.span.end_time_unix_nano >= span.span.start_time_unix_nano));
    assert_eq!(collector.header("x-token"), "canary-token");
    assert_eq!(collector.header("grpc-encoding"), "", "compression is off by default");
    system.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_contain_no_private_values() {
    let collector = Collector::start().await;
    let (system, client) = start_system(options(&collector.endpoint())).await;
    let headers = [("traceparent", &*parent("01")), ("idempotency-key", "canary-key")];
    assert_eq!(client.post_with(&headers, ORDER).await.status, 201);
    let declined = ORDER.replace("7.89", "98765.43");
    assert_eq!(client.post_with(&[("traceparent", &parent("01"))], declined).await.status, 402);
    assert_eq!(client.get("/orders?user_id=90017&page_token=canary-query").await.status, 400);
    assert_eq!(client.get("/canary-path?canary-query").await.status, 404);
    eventually("two orders and two reads", async || (collector.spans().len() >= 20).then_some(())).await;
    system.stop().await.unwrap();
    let text = format!("{:?}", collector.spans());
    for canary in ["canary", "90017", "7.89", "789", "98765", "9876543", "sqlite:", ".db"] {
        let ids_aside = collector.spans().iter().any(|span| holds(span, canary));
        assert!(!ids_aside, "{canary} in {text}");
    }
}

/// Whether a name or an attribute contains `text`; ids and times are random.
fn holds(span: &ExportedSpan, text: &str) -> bool {
    let mut values = span.span.attributes.iter().map(|attribute| format!("{attribute:?}"));
    let status = format!("{:?}{:?}{:?}", span.span.status, span.span.events, span.span.trace_state);
    let ports_aside = |value: &String| value.contains(text) && !value.contains("server.port");
    span.span.name.contains(text)
        || status.contains(text)
        || values.any(|v| ports_aside(&v) && !v.contains("grpc.target"))
}

#[tokio::test(flavor = "multi_thread")]
async fn gateway_ignores_the_sampled_flag_of_clients() {
    let collector = Collector::start().await;
    let (system, client) = start_system(options(&collector.endpoint())).await;
    assert_eq!(client.post_with(&[("traceparent", &parent("00"))], ORDER).await.status, 201);
    collector.trace(TRACE_ID, 10).await;
    system.stop().await.unwrap();

    // With the opt-in, the gateway and the services behind it honour the flag.
    let collector = Collector::start().await;
    let trusting = options(&collector.endpoint()).var("OTEL_TRACES_SAMPLER", "parentbased_always_on");
    let (system, client) = start_system(trusting).await;
    assert_eq!(client.post_with(&[("traceparent", &parent("00"))], ORDER).await.status, 201);
    assert_eq!(client.post(ORDER).await.status, 201);
    eventually("the trace of the second", async || (collector.spans().len() >= 10).then_some(())).await;
    system.stop().await.unwrap();
    assert!(collector.spans().iter().all(|span| span.trace_id() != TRACE_ID));
}

#[tokio::test(flavor = "multi_thread")]
async fn gateway_without_exporter_propagates_the_trace_context() {
    for (sampler, recorded) in [("", false), ("traceidratio", true)] {
        let collector = Collector::start().await;
        let data = tempfile::tempdir().unwrap();
        let of_order = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint()),
            ("OTEL_BSP_SCHEDULE_DELAY", "50".to_owned()),
            ("OTEL_TRACES_SAMPLER", sampler.to_owned()),
        ];
        let services = Services::start_with(data.path(), &[], &of_order).await;
        // Two requests of other traces, and one whose caller samples.
        let unsampled = parent("00").replace(TRACE_ID, &TRACE_ID.replace('4', "5"));
        for headers in [&[("traceparent", &*unsampled)][..], &[], &[("traceparent", &parent("01"))]] {
            assert_eq!(services.client.post_with(headers, ORDER).await.status, 201);
        }
        let spans = collector.trace(TRACE_ID, 5).await;
        assert_eq!(named(&spans, "order: Order/Create").parent_id(), CALLER);
        // Spans are exported in the order of their ends.
        let calls = collector.spans().into_iter().filter(|span| span.name() == "order: Order/Create");
        assert_eq!(calls.count(), if recorded { 3 } else { 1 }, "{sampler:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unsampled_traces_are_not_exported() {
    let collector = Collector::start().await;
    let never = options(&collector.endpoint()).var("OTEL_TRACES_SAMPLER", "always_off");
    let (system, client) = start_system(never).await;
    for flags in ["00", "01"] {
        assert_eq!(client.post_with(&[("traceparent", &parent(flags))], ORDER).await.status, 201);
    }
    system.stop().await.unwrap();
    assert!(collector.spans().is_empty(), "{:?}", collector.spans());
}

#[tokio::test(flavor = "multi_thread")]
async fn recovery_has_a_trace_of_its_own() {
    let collector = Collector::start().await;
    let data = tempfile::tempdir().unwrap();
    let traced = exporter_vars(&collector);
    let lost = [("FAULT_INJECTION", "payments.charge.after=error@1".to_owned())];
    let services = Services::start_with(data.path(), &traced, &lost).await;
    let response = services.client.post_with(&[("traceparent", &parent("01"))], ORDER).await;
    assert_eq!(response.status, 504);
    let recovery = eventually("a recovery", async || {
        collector.spans().into_iter().find(|span| span.name() == "order: recover order")
    })
    .await;
    assert_eq!(recovery.parent_id(), "");
    let spans = collector.trace(&recovery.trace_id(), 7).await;
    let of_recovery = |span: &&ExportedSpan| span.parent_id() == recovery.span_id();
    let names: Vec<String> = spans.iter().filter(of_recovery).map(ExportedSpan::name).collect();
    assert_eq!(names, ["order: UPDATE orders", "order: Payment/Create", "order: UPDATE orders"]);
    assert!(spans.iter().any(|span| span.name() == "payment: Payment/Create"), "{names:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn client_disconnect_is_recorded_as_cancelled() {
    let collector = Collector::start().await;
    let data = tempfile::tempdir().unwrap();
    let traced = exporter_vars(&collector);
    let slow = [("FAULT_INJECTION", "payments.charge.before=delay:20000".to_owned())];
    let mut services = Services::start_with(data.path(), &traced, &slow).await;
    let mut connection = RawConnection::open(services.gateway.address().await).await;
    let request = format!(
        "POST /orders HTTP/1.1\r\nHost: a\r\ntraceparent: {}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{ORDER}",
        parent("01"),
        ORDER.len()
    );
    connection.send(request).await.expect("a connection");
    // After the INSERT, Order waits for the charge.
    let written =
        async || collector.spans().iter().any(|span| span.name() == "order: INSERT orders").then_some(());
    eventually("the order is written", written).await;
    drop(connection);
    let call = eventually("Order's call has ended", async || {
        let ours = |span: &ExportedSpan| span.service == "order" && span.span.kind == 2;
        collector.spans().into_iter().find(ours)
    })
    .await;
    assert_eq!(call.name(), "order: Order/Create");
    assert_eq!(call.attribute("rpc.method"), "Order/Create");
    assert_eq!(call.attribute("rpc.response.status_code"), "CANCELLED");
    // A client that disconnects is no server error.
    assert_eq!(call.attribute("error.type"), "");
    let request = eventually("the request has ended", async || {
        collector.spans().into_iter().find(|span| span.name() == "gateway: POST /orders")
    })
    .await;
    assert_eq!(request.attribute("error.type"), "cancelled");
}

#[tokio::test(flavor = "multi_thread")]
async fn failing_collector_does_not_affect_orders() {
    // One address refuses connections; the other accepts them and never responds.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let down = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for address in [down, silent.local_addr().unwrap()] {
        let lost = options(&format!("http://{address}"))
            .var("OTEL_BSP_MAX_QUEUE_SIZE", 16)
            .var("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 8)
            .var("OTEL_EXPORTER_OTLP_TIMEOUT", 2_000);
        let (system, client) = start_system(lost).await;
        let began = Instant::now();
        for _ in 0..20 {
            assert_eq!(client.post(ORDER).await.status, 201);
        }
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
        let dropped = async || {
            let page = scrape::page(system.order_admin()).await;
            let full = "otel_sdk_processor_span_processed_total{error_type=\"queue_full\"} ";
            let count: u64 = page.lines().find_map(|line| line.strip_prefix(full))?.parse().ok()?;
            (count > 0).then_some(count)
        };
        eventually("spans are dropped, and counted", dropped).await;
        let began = Instant::now();
        system.stop().await.unwrap();
        // The last exports of the three services run side by side.
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn exports_are_compressed_when_configured() {
    let collector = Collector::start().await;
    let compressed = options(&collector.endpoint()).var("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip");
    let (system, client) = start_system(compressed).await;
    assert_eq!(client.post_with(&[("traceparent", &parent("01"))], ORDER).await.status, 201);
    collector.trace(TRACE_ID, 10).await;
    assert_eq!(collector.header("grpc-encoding"), "gzip");
    system.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn traces_variables_override_general_otlp_variables() {
    let collector = Collector::start().await;
    let data = tempfile::tempdir().unwrap();
    let headers = data.path().join("headers");
    std::fs::write(&headers, "x-token=of%20traces\n").unwrap();
    let vars = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://127.0.0.1:1"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &collector.endpoint()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-token=of-all,x-all=1"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS_FILE", headers.to_str().unwrap()),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "none"),
        ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "gzip"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "1"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "10000"),
        ("OTEL_BSP_SCHEDULE_DELAY", "50"),
        // Has no effect, since the endpoint is a URL with a scheme.
        ("OTEL_EXPORTER_OTLP_TRACES_INSECURE", "false"),
    ];
    let vars = vars.map(|(name, value)| (name, value.to_owned()));
    let services = Services::start_with(data.path(), &vars, &[]).await;
    assert_eq!(services.client.post_with(&[("traceparent", &parent("01"))], ORDER).await.status, 201);
    collector.trace(TRACE_ID, 10).await;
    for (name, value) in [("x-token", "of traces"), ("x-all", ""), ("grpc-encoding", "gzip")] {
        assert_eq!(collector.header(name), value, "{name}");
    }
    let agent = collector.header("user-agent");
    assert!(agent.contains("OTel-OTLP-Exporter-Rust/"), "{agent}");
}

#[tokio::test(flavor = "multi_thread")]
async fn log_lines_carry_the_ids_of_exported_spans() {
    let collector = Collector::start().await;
    let data = tempfile::tempdir().unwrap();
    let traced = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint()),
        // The long delay leaves every export to the shutdown.
        ("OTEL_BSP_SCHEDULE_DELAY", "600000".to_owned()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-token=canary".to_owned()),
    ];
    let services = Services::start_with(data.path(), &traced, &[]).await;
    let response = services.client.post_with(&[("traceparent", &parent("01"))], ORDER).await;
    assert_eq!(response.status, 201);
    let exit = services.gateway.terminate(Duration::from_secs(10)).await;
    assert_eq!(exit.code, Some(0), "{:#?}", exit.stderr);
    let line = exit.stderr.iter().find(|line| line.contains(TRACE_ID)).expect("a line of the request");
    let line: Value = serde_json::from_str(line).unwrap();
    let spans = collector.trace(TRACE_ID, 3).await;
    assert_eq!(line["spans"][0]["span_id"], json!(named(&spans, "gateway: POST /orders").span_id()));
    assert!(exit.stderr.iter().all(|line| !line.contains("canary")), "{:#?}", exit.stderr);
}
