//! The number of open requests, that is between their head and their response, and the bytes of their heads.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use http::Request;

use crate::limits::{HEADS_BYTES_MAX, HEADS_BYTES_PER_ADDRESS_MAX};

/// Memory of a field beyond its name and value; the figure of RFC 9113, section 6.5.2.
const FIELD_OVERHEAD_BYTES: usize = 32;

/// Counts open requests, in all and per client address.
#[derive(Debug)]
pub(super) struct OpenRequests {
    max: usize,
    per_address_max: usize,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    all: Count,
    by_address: HashMap<IpAddr, Count>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Count {
    requests: usize,
    head_bytes: usize,
}

/// One open request; dropping it ends the count.
#[derive(Debug)]
pub(crate) struct OpenRequest<'a> {
    open: &'a OpenRequests,
    address: Option<IpAddr>,
    head_bytes: usize,
}

impl OpenRequests {
    pub(super) fn new(max: usize, per_address_max: usize) -> Self {
        Self { max, per_address_max, counts: Mutex::default() }
    }

    /// Counts a request from `address`; `None` if a limit is reached.
    pub(super) fn try_open<B>(
        &self,
        address: Option<IpAddr>,
        request: &Request<B>,
    ) -> Option<OpenRequest<'_>> {
        let head_bytes = head_bytes(request);
        let mut counts = self.counts();
        let all = counts.all.with(head_bytes, self.max, HEADS_BYTES_MAX)?;
        if let Some(address) = address {
            // Not inserted by a request that is rejected.
            let count = counts.by_address.get(&address).copied().unwrap_or_default();
            let count = count.with(head_bytes, self.per_address_max, HEADS_BYTES_PER_ADDRESS_MAX)?;
            counts.by_address.insert(address, count);
        }
        counts.all = all;
        Some(OpenRequest { open: self, address, head_bytes })
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Count {
    /// The count with one more request; `None` above a limit. A head that exceeds the limit of bytes alone is
    /// permitted to a client without another request.
    fn with(self, head_bytes: usize, requests_max: usize, bytes_max: usize) -> Option<Self> {
        let more = Self { requests: self.requests + 1, head_bytes: self.head_bytes + head_bytes };
        let fits = more.requests <= requests_max && (more.head_bytes <= bytes_max || self.requests == 0);
        fits.then_some(more)
    }

    fn remove(&mut self, head_bytes: usize) {
        self.requests -= 1;
        self.head_bytes -= head_bytes;
    }
}

impl Drop for OpenRequest<'_> {
    fn drop(&mut self) {
        let mut counts = self.open.counts();
        counts.all.remove(self.head_bytes);
        let Some(address) = self.address else { return };
        if let Some(count) = counts.by_address.get_mut(&address) {
            count.remove(self.head_bytes);
            if count.requests == 0 {
                counts.by_address.remove(&address);
            }
        }
    }
}

/// The memory of a request's head, roughly.
fn head_bytes<B>(request: &Request<B>) -> usize {
    let target = request.uri().path().len() + request.uri().query().map_or(0, str::len);
    let fields = request.headers().iter();
    target
        + fields.map(|(name, value)| name.as_str().len() + value.len() + FIELD_OVERHEAD_BYTES).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)));
    const OTHER: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2)));

    fn request(head_bytes: usize) -> Request<()> {
        let value = "v".repeat(head_bytes - FIELD_OVERHEAD_BYTES - "/x".len());
        Request::get("/").header("x", value).body(()).unwrap()
    }

    #[test]
    fn requests_are_limited_in_all_and_per_address() {
        let open = OpenRequests::new(3, 2);
        let from = |address| open.try_open(address, &request(100));
        let mut guards = vec![from(ONE).unwrap(), from(ONE).unwrap()];
        assert!(from(ONE).is_none());
        guards.push(from(OTHER).unwrap());
        assert!(from(OTHER).is_none() && from(None).is_none());
        guards.remove(0);
        guards.push(from(ONE).unwrap());
        drop(guards);
        assert!(open.counts().by_address.is_empty());
        let Count { requests, head_bytes } = open.counts().all;
        assert_eq!((requests, head_bytes), (0, 0));
    }

    #[test]
    fn bytes_of_heads_are_limited_in_all_and_per_address() {
        let open = OpenRequests::new(usize::MAX, usize::MAX);
        let large = request(HEADS_BYTES_PER_ADDRESS_MAX);
        let guards: Vec<_> = (0..HEADS_BYTES_MAX / HEADS_BYTES_PER_ADDRESS_MAX)
            .map(|last| {
                let address = Some(IpAddr::from([192, 0, 2, u8::try_from(last).unwrap()]));
                let guard = open.try_open(address, &large).unwrap();
                assert!(open.try_open(address, &request(100)).is_none());
                guard
            })
            .collect();
        assert!(open.try_open(None, &request(100)).is_none());
        drop(guards);
        assert!(open.try_open(OTHER, &request(100)).is_some());
    }

    #[test]
    fn a_rejected_request_leaves_no_count() {
        let open = OpenRequests::new(1, 1);
        let guard = open.try_open(ONE, &request(100)).unwrap();
        for address in [ONE, OTHER, None] {
            assert!(open.try_open(address, &request(100)).is_none());
        }
        assert_eq!(open.counts().by_address.len(), 1);
        drop(guard);
    }
}
