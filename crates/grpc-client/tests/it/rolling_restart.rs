//! A rolling restart of all servers, as in a deployment, fails no call.

use std::time::Duration;

use grpc_client::DEADLINE_DEFAULT;

use crate::{
    backend::{Backend, Handler},
    client::{balanced, channel_by},
    load::Clients,
};

const CLIENTS: usize = 64;
const CALLS_MIN: usize = 20_000;
const RESPONSES_PER_RESTART: usize = 300;
const RESTARTS_MIN: usize = 12;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rolling_restart_of_three_servers_fails_no_call() {
    let handler = |entered: &_| Handler::echo_after(Duration::from_millis(2), entered);
    let (backends, entered) = Backend::start_each::<3>(|_, entered| handler(entered));
    let channel = channel_by(&balanced("round_robin"), &backends.each_ref().map(|backend| backend.address));
    let clients = Clients::start(&channel, CLIENTS, Duration::ZERO, DEADLINE_DEFAULT);
    let (mut backends, mut restarts) = (backends.map(Some), 0);
    while clients.responses() < CALLS_MIN && clients.failed().is_empty() {
        let index = restarts % backends.len();
        clients.more_responses(RESPONSES_PER_RESTART).await;
        let stopped = backends[index].take().unwrap();
        let address = stopped.address;
        stopped.shut_down().await;
        backends[index] = Some(Backend::start_at(address, handler(&entered[index])));
        restarts += 1;
    }
    let failed = clients.stop().await;
    assert!(failed.is_empty(), "{failed:?}");
    assert!(restarts >= RESTARTS_MIN, "only {restarts} restarts");
}
