//! Load balancing: picks the endpoint of each attempt.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use tokio::time::Instant;

use crate::{endpoint::Endpoint, service_config::Policy};

/// A policy and its state.
#[derive(Debug)]
pub(crate) struct Balancer {
    policy: Policy,
    /// Counter of `round_robin`.
    next: AtomicUsize,
    /// The endpoint that `pick_first` uses.
    current: Mutex<Option<Arc<Endpoint>>>,
}

impl Balancer {
    pub(crate) fn new(policy: Policy) -> Self {
        // Clients that start together must not all begin with the first endpoint.
        let next = if policy == Policy::RoundRobin { usize::from(fastrand::u16(..)) } else { 0 };
        Self { policy, next: AtomicUsize::new(next), current: Mutex::new(None) }
    }

    /// Picks an endpoint that is not in `tried`; `None` if all are. Prefers endpoints in use to ejected ones,
    /// but uses an ejected one rather than fail. With `may_repeat`, a tried endpoint in use comes before
    /// ejected ones.
    pub(crate) fn pick(
        &self,
        endpoints: &[Arc<Endpoint>],
        tried: &[Arc<Endpoint>],
        may_repeat: bool,
    ) -> Option<Arc<Endpoint>> {
        let is_new = |endpoint: &Arc<Endpoint>| !tried.iter().any(|tried| Arc::ptr_eq(tried, endpoint));
        let is_in_use = |endpoint: &Arc<Endpoint>| !endpoint.is_ejected();
        self.pick_by_policy(endpoints, |endpoint| is_in_use(endpoint) && is_new(endpoint))
            .or_else(|| may_repeat.then(|| self.pick_by_policy(endpoints, is_in_use))?)
            .or_else(|| self.pick_by_policy(endpoints, is_new))
            .cloned()
    }

    fn pick_by_policy<'a>(
        &self,
        endpoints: &'a [Arc<Endpoint>],
        is_candidate: impl Fn(&Arc<Endpoint>) -> bool,
    ) -> Option<&'a Arc<Endpoint>> {
        let candidates = || endpoints.iter().filter(|endpoint| is_candidate(endpoint));
        let count = match endpoints {
            [only] => return is_candidate(only).then_some(only),
            _ => candidates().count(),
        };
        if count == 0 {
            return None;
        }
        match self.policy {
            Policy::PickFirst { shuffle } => {
                self.pick_first(endpoints, candidates(), shuffle.then_some(count))
            }
            Policy::RoundRobin => candidates().nth(self.next.fetch_add(1, Ordering::Relaxed) % count),
            Policy::LeastLoaded { choices, uses_reports } => {
                let sample = Sample::draw(count, choices);
                let sampled = candidates().enumerate().filter(|(index, _)| sample.contains(index));
                least_loaded(sampled, uses_reports)
            }
        }
    }

    fn pick_first<'a>(
        &self,
        endpoints: &'a [Arc<Endpoint>],
        mut candidates: impl Iterator<Item = &'a Arc<Endpoint>>,
        shuffle: Option<usize>,
    ) -> Option<&'a Arc<Endpoint>> {
        // No code panics while it holds the lock.
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let start = shuffle.filter(|_| current.is_none()).map_or(0, |count| fastrand::usize(..count));
        let first = candidates.nth(start)?;
        let same = current.as_ref().and_then(|current| {
            std::iter::once(first).chain(candidates).find(|endpoint| Arc::ptr_eq(endpoint, current))
        });
        let picked = same.unwrap_or(first);
        let stays = current.as_ref().is_some_and(|current| {
            // A retry of one call on another endpoint does not move the other calls.
            Arc::ptr_eq(current, picked)
                || (!current.is_ejected() && endpoints.iter().any(|endpoint| Arc::ptr_eq(endpoint, current)))
        });
        if !stays {
            *current = Some(picked.clone());
        }
        Some(picked)
    }
}

/// Distinct random indexes below a count.
struct Sample {
    indexes: [usize; 10],
    all: bool,
}

impl Sample {
    /// `choices` indexes below `count`, or all if there are not more.
    fn draw(count: usize, choices: usize) -> Self {
        let mut sample = Self { indexes: [usize::MAX; 10], all: count <= choices };
        let mut drawn = 0;
        while !sample.all && drawn < choices.min(sample.indexes.len()) {
            let index = fastrand::usize(..count);
            if !sample.indexes.contains(&index) {
                sample.indexes[drawn] = index;
                drawn += 1;
            }
        }
        sample
    }

    fn contains(&self, index: &usize) -> bool {
        self.all || self.indexes.contains(index)
    }
}

/// The candidate with the fewest attempts in flight (gRFC A48), multiplied by its load if every candidate has
/// a recent report. Ties are broken at random.
fn least_loaded<'a>(
    candidates: impl Iterator<Item = (usize, &'a Arc<Endpoint>)> + Clone,
    uses_reports: bool,
) -> Option<&'a Arc<Endpoint>> {
    let now = Instant::now();
    let load = |endpoint: &Endpoint| endpoint.load.thousandths(now);
    let by_load = uses_reports && candidates.clone().all(|(_, endpoint)| load(endpoint).is_some());
    let cost = |endpoint: &Endpoint| {
        let factor = if by_load { load(endpoint).unwrap_or(1) } else { 1 };
        u64::try_from(endpoint.in_flight())
            .unwrap_or(u64::MAX)
            .saturating_add(1)
            .saturating_mul(factor.into())
    };
    candidates.map(|(_, endpoint)| endpoint).min_by_key(|endpoint| (cost(endpoint), fastrand::u32(..)))
}
