//! Log lines of a request contain its ids; in production a line is JSON.

use std::{
    collections::BTreeMap,
    fmt, io,
    sync::{Arc, LazyLock, Mutex},
};

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;
use service_kit::{env::Mode, telemetry};
use tracing::{Dispatch, dispatcher::DefaultGuard, subscriber::NoSubscriber};

use crate::serving::{Handler, Serving, get, order};

const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const REQUEST_ID: &str = "0190c5f1-6a44-7c53-8d2f-4a9f1b2c3d4e";

/// The log so far.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The lines that contain `text`.
    pub(crate) fn lines(&self, text: &str) -> Vec<String> {
        self.text().lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
    }
}

/// Writes the log of this thread to `log` until the returned guard is dropped.
pub(crate) fn capture(log: &Log, mode: Mode, filter: &str) -> DefaultGuard {
    // With one subscriber, tracing caches whether a callsite is enabled by the subscriber of the thread that
    // reaches it first, and applies that to all threads. A second subscriber prevents it.
    static SECOND: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(NoSubscriber::new()));
    LazyLock::force(&SECOND);
    let (writer, filter) = (log.clone(), filter.parse().unwrap());
    tracing::dispatcher::set_default(&telemetry::subscriber(mode, &filter, false, move || writer.clone()))
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A JSON object without repeated members.
struct Object(BTreeMap<String, Value>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut members = BTreeMap::new();
                while let Some((name, value)) =
                    map.next_entry::<String, Box<serde_json::value::RawValue>>()?
                {
                    if name == "spans" {
                        serde_json::from_str::<Vec<Object>>(value.get()).map_err(A::Error::custom)?;
                    }
                    let value = serde_json::from_str(value.get()).map_err(A::Error::custom)?;
                    if members.insert(name.clone(), value).is_some() {
                        return Err(A::Error::custom(format!("{name} is repeated")));
                    }
                }
                Ok(Object(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// The log of a server during one traced request, whose handler runs `work`.
async fn logged(mode: Mode, filter: &str, work: fn()) -> String {
    let log = Log::default();
    // The test's runtime has one thread, so that `log` gets the lines of every task of the server.
    let _guard = capture(&log, mode, filter);
    let serving = Serving::start(Handler::new(move |_| async move {
        work();
        Ok(order(1))
    }))
    .await;
    let mut request = get(1);
    let parent = format!("00-{TRACE_ID}-00f067aa0ba902b7-01");
    request.metadata_mut().insert("traceparent", parent.parse().unwrap());
    request.metadata_mut().insert("x-request-id", REQUEST_ID.parse().unwrap());
    serving.client().await.get(request).await.unwrap();
    log.text()
}

/// The line with `message`, and the request's span in it.
fn line(log: &str, message: &str) -> (BTreeMap<String, Value>, Value) {
    let lines: Vec<_> = log.lines().map(|line| serde_json::from_str::<Object>(line).unwrap().0).collect();
    let line = lines.into_iter().find(|line| line["message"] == message).unwrap();
    let span = line["spans"][0].clone();
    (line, span)
}

#[tokio::test]
async fn a_production_line_is_json_with_the_ids_of_its_request() {
    let log = logged(Mode::Production, "info", || tracing::warn!(order_id = 7, "looked at an order")).await;
    let (line, request) = line(&log, "looked at an order");
    assert_eq!((&line["level"], &line["order_id"]), (&"WARN".into(), &7.into()));
    assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
    assert_eq!(request["trace_id"], TRACE_ID);
    assert_eq!(request["request_id"], REQUEST_ID);
    assert_eq!(request["span_id"].as_str().unwrap().len(), 16);
    assert_eq!(request["call"], "/Order/Get");
}

#[tokio::test]
async fn a_line_in_an_inner_span_keeps_the_ids_of_the_request() {
    let log = logged(Mode::Production, "info", || {
        let _inner = tracing::info_span!("inner", step = 1).entered();
        tracing::info!("within");
    });
    let (line, request) = line(&log.await, "within");
    assert_eq!(request["trace_id"], TRACE_ID);
    assert_eq!(line["spans"][1]["step"], 1);
}

#[tokio::test]
async fn a_filtered_line_keeps_its_ids() {
    for filter in ["warn", "error"] {
        let log = logged(Mode::Production, filter, || tracing::error!("broken")).await;
        assert_eq!(log.lines().count(), 1);
        assert_eq!(line(&log, "broken").1["trace_id"], TRACE_ID, "{filter}");
    }
}

#[tokio::test]
async fn a_development_line_is_readable_with_the_ids() {
    let log = logged(Mode::Development, "info", || tracing::info!("looked at an order")).await;
    let line = log.lines().find(|line| line.contains("looked at an order")).unwrap();
    assert!(line.contains(TRACE_ID) && line.contains(REQUEST_ID), "{line}");
    assert!(serde_json::from_str::<Value>(line).is_err());
}
