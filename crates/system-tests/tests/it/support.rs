//! What the tests of the whole system share: a client that holds every answer against the OpenAPI document.

pub(crate) mod client;
pub(crate) mod conformance;
pub(crate) mod metrics;
pub(crate) mod process;
pub(crate) mod raw;

use std::{future::Future, time::Duration};

pub(crate) use client::{Answer, Client, order_body};

/// How long anything that a test waits for may take, also on a machine whose disk is busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Polls until `probe` gives a value.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut probe: impl FnMut() -> F) -> T {
    let polled = async {
        loop {
            if let Some(value) = probe().await {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, polled).await.unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"))
}
