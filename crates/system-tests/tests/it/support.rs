//! Shared by all tests: clients that validate every response against the OpenAPI document,
//! processes, metrics.

pub(crate) mod client;
pub(crate) mod conformance;
pub(crate) mod process;
pub(crate) mod raw;
pub(crate) mod scrape;

use std::{future::Future, time::Duration};

pub(crate) use client::{Client, Response, order_body};

/// The longest wait for any condition, also on a machine with a busy disk.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(60);

/// Polls `probe` until it returns a value; panics after [`WAIT_MAX`].
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut probe: impl FnMut() -> F,
) -> T {
    let polled = async {
        loop {
            if let Some(value) = probe().await {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(WAIT_MAX, polled).await.unwrap_or_else(|_| panic!("{what}: not within {WAIT_MAX:?}"))
}
