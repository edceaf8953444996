//! Searches for calls wrongly classified as "never ran": clients under load, a server that is shut down or
//! killed again and again, and a record of every id that a handler received.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use grpc_client::{DEADLINE_DEFAULT, Failure};
use tonic::Response;

use crate::{
    backend::{Backend, Handler, order},
    client::channel_to,
    load::{Clients, FailedCall},
};

const CLIENTS: usize = 64;
const ROUNDS: usize = 10;
/// Responses before the server is ended again.
const RESPONSES_PER_ROUND: usize = 200;

type Ids = Arc<Mutex<BTreeSet<i64>>>;

/// A handler that records every id, and takes 2 ms so that calls are in flight.
fn recording(entered: &Ids) -> Handler {
    let entered = entered.clone();
    Handler::new(move |request| {
        let id = request.get_ref().order_id;
        entered.lock().unwrap().insert(id);
        async move {
            tokio::time::sleep(Duration::from_millis(2)).await;
            Ok(Response::new(order(id)))
        }
    })
}

/// Ends a server under load by `end`, again and again. Returns the failed calls, and whether each ran.
async fn restart_under_load(end: impl AsyncFn(Backend)) -> Vec<(FailedCall, bool)> {
    let entered = Ids::default();
    let mut backend = Backend::start(recording(&entered));
    let clients = Clients::start(&channel_to(backend.address), CLIENTS, Duration::ZERO, DEADLINE_DEFAULT);
    for _ in 0..ROUNDS {
        clients.more_responses(RESPONSES_PER_ROUND).await;
        let address = backend.address;
        end(backend).await;
        backend = Backend::start_at(address, recording(&entered));
    }
    clients.more_responses(RESPONSES_PER_ROUND).await;
    let failed = clients.stop().await;
    let entered = entered.lock().unwrap();
    for call in &failed {
        let ran = entered.contains(&call.id);
        assert!(!(call.failure.never_ran() && ran), "call {} ran: {:?}", call.id, call.status);
        assert!(matches!(call.failure, Failure::NeverRan | Failure::ConnectionLost), "{:?}", call.status);
    }
    failed.into_iter().map(|call| (call.clone(), entered.contains(&call.id))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_that_ran_is_classified_as_never_ran_after_a_kill() {
    let failed = restart_under_load(Backend::kill).await;
    let lost = failed.iter().any(|(call, _)| call.failure == Failure::ConnectionLost);
    assert!(lost, "no call was in flight when the server was killed");
}

/// Connections that the kernel accepted and the server did not are lost, with calls that never ran.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_that_ran_fails_in_a_graceful_shutdown() {
    let failed = restart_under_load(Backend::shut_down).await;
    let ran: Vec<_> = failed.iter().filter(|(_, ran)| *ran).collect();
    assert!(ran.is_empty(), "{ran:?}");
}
