//! Resolution of a `dns:` target's name to addresses.

use std::{fmt, future::Future, io, net::SocketAddr, pin::Pin};

/// The future of [`Resolve::resolve`].
pub type ResolveFuture = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// Resolves the name of a `dns:` target (gRPC name resolution). Implement it for another kind of service
/// discovery, or for tests.
pub trait Resolve: fmt::Debug + Send + Sync {
    /// The current addresses of `host`, in the order of preference for `pick_first`. Called every
    /// [`RESOLVE_INTERVAL`](crate::RESOLVE_INTERVAL) and after failures; do not cache. After an error or an
    /// empty list, the channel keeps the addresses that it has.
    fn resolve(&self, host: &str, port: u16) -> ResolveFuture;
}

/// The system's resolver (`getaddrinfo`), without a cache: a replica that was removed must not be used until
/// the TTL of its record ends.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, host: &str, port: u16) -> ResolveFuture {
        let host = host.to_owned();
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
    }
}
