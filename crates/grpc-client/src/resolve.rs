//! From a name to addresses.

use std::{fmt, future::Future, io, net::SocketAddr, pin::Pin};

/// What a [`Resolve`] answers with.
pub type Resolving = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// Where a `dns:` target's addresses come from: a discovery service of another kind, or a test.
pub trait Resolve: fmt::Debug + Send + Sync {
    /// The addresses that `host` has now; the order is that of preference for `pick_first`. Asked every few seconds, so
    /// that an answer is not to be kept. An error and an empty answer leave the addresses that were known before.
    fn resolve(&self, host: &str, port: u16) -> Resolving;
}

/// The system's resolver (`getaddrinfo`), which keeps no answer: a replica that has left must not be found for as long
/// as its record's time to live.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, host: &str, port: u16) -> Resolving {
        let host = host.to_owned();
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
    }
}
