//! Trace context, request id and deadline reach the handler and the tasks that it spawns.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use service_kit::{
    grpc::Deadline,
    trace::{self, Context},
};
use tokio::time::Instant;
use tonic::metadata::MetadataMap;

use crate::serving::{Handler, Serving, get, order};

const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const REQUEST_ID: &str = "0190c5f1-6a44-7c53-8d2f-4a9f1b2c3d4e";

type Seen = (Context, Context, Option<Deadline>);

/// What the handler of a call with `metadata` saw: its context, that of a task it spawned, its deadline.
async fn seen_by_handler(metadata: MetadataMap) -> Seen {
    let seen: Arc<Mutex<Option<Seen>>> = Arc::default();
    let handler = {
        let seen = seen.clone();
        Handler::new(move |request| {
            let seen = seen.clone();
            async move {
                let spawned = tokio::spawn(trace::with_current_context(async { trace::current() }));
                let spawned = spawned.await.unwrap().unwrap();
                let deadline = request.extensions().get::<Deadline>().copied();
                *seen.lock().unwrap() = Some((trace::current().unwrap(), spawned, deadline));
                Ok(order(1))
            }
        })
    };
    let serving = Serving::start(handler).await;
    let mut request = get(1);
    *request.metadata_mut() = metadata;
    serving.client().await.get(request).await.unwrap();
    seen.lock().unwrap().take().unwrap()
}

fn metadata(pairs: &[(&'static str, &'static str)]) -> MetadataMap {
    let mut metadata = MetadataMap::new();
    for (name, value) in pairs {
        metadata.insert(*name, value.parse().unwrap());
    }
    metadata
}

#[tokio::test]
async fn a_handler_and_its_tasks_are_in_the_trace_of_the_client() {
    let sent = metadata(&[("traceparent", PARENT), ("tracestate", "vendor=1"), ("x-request-id", REQUEST_ID)]);
    let (context, spawned, _) = seen_by_handler(sent).await;
    assert_eq!(context.trace.trace_id().to_string(), TRACE_ID);
    assert_eq!(context.request_id.to_string(), REQUEST_ID);
    assert_eq!((spawned.trace, spawned.request_id), (context.trace, context.request_id));

    let mut outgoing = http::HeaderMap::new();
    context.write_to(&mut outgoing);
    // No span is recorded here, so that the parent of the next span is the client's.
    assert_eq!(outgoing["traceparent"], PARENT);
    assert!(!PARENT.contains(&context.trace.span_id().to_string()));
    assert_eq!(outgoing["tracestate"], "vendor=1");
    assert_eq!(outgoing["x-request-id"], REQUEST_ID);
}

#[tokio::test]
async fn a_request_without_valid_trace_context_starts_a_trace() {
    let (first, ..) = seen_by_handler(MetadataMap::new()).await;
    let (second, ..) =
        seen_by_handler(metadata(&[("traceparent", "garbage"), ("x-request-id", "mine")])).await;
    assert_ne!(first.trace.trace_id().to_string(), second.trace.trace_id().to_string());
    assert_ne!(first.request_id, second.request_id);
}

#[tokio::test]
async fn a_handler_has_a_deadline_only_if_the_client_sent_one() {
    let before = Instant::now();
    let (.., deadline) = seen_by_handler(metadata(&[("grpc-timeout", "7S")])).await;
    let left = deadline.unwrap().0.duration_since(before);
    assert!((Duration::from_secs(7)..Duration::from_secs(8)).contains(&left), "{left:?}");
    for sent in [metadata(&[]), metadata(&[("grpc-timeout", "soon")])] {
        assert!(seen_by_handler(sent).await.2.is_none());
    }
}
