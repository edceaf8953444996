//! Which endpoint the next attempt goes to.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use tokio::time::Instant;

use crate::{endpoint::Endpoint, service_config::Policy};

/// A policy and what it remembers.
#[derive(Debug)]
pub(crate) struct Balancer {
    policy: Policy,
    turn: AtomicUsize,
    /// Of `pick_first`: the one that works.
    current: Mutex<Option<Arc<Endpoint>>>,
}

impl Balancer {
    pub(crate) fn new(policy: Policy) -> Self {
        // Many clients start at once, and must not all begin with the first.
        let turn = if policy == Policy::RoundRobin { usize::from(fastrand::u16(..)) } else { 0 };
        Self { policy, turn: AtomicUsize::new(turn), current: Mutex::new(None) }
    }

    /// An endpoint that was not `tried`, or `None` where all were: one in use, or, where there is none, one that is not:
    /// to try is better than to refuse. Where it `may_repeat`, one that was tried and is in use comes before those.
    pub(crate) fn pick(
        &self,
        endpoints: &[Arc<Endpoint>],
        tried: &[Arc<Endpoint>],
        may_repeat: bool,
    ) -> Option<Arc<Endpoint>> {
        let is_new = |endpoint: &Arc<Endpoint>| !tried.iter().any(|tried| Arc::ptr_eq(tried, endpoint));
        let in_use = |endpoint: &Arc<Endpoint>| !endpoint.is_ejected();
        self.pick_of(endpoints, |endpoint| in_use(endpoint) && is_new(endpoint))
            .or_else(|| may_repeat.then(|| self.pick_of(endpoints, in_use))?)
            .or_else(|| self.pick_of(endpoints, is_new))
            .cloned()
    }

    fn pick_of<'a>(
        &self,
        endpoints: &'a [Arc<Endpoint>],
        fit: impl Fn(&Arc<Endpoint>) -> bool,
    ) -> Option<&'a Arc<Endpoint>> {
        let candidates = || endpoints.iter().filter(|endpoint| fit(endpoint));
        let count = match endpoints {
            [only] => return fit(only).then_some(only),
            endpoints => endpoints.iter().filter(|endpoint| fit(endpoint)).count(),
        };
        if count == 0 {
            return None;
        }
        match self.policy {
            Policy::PickFirst { shuffle } => self.stay(endpoints, candidates(), shuffle.then_some(count)),
            Policy::RoundRobin => candidates().nth(self.turn.fetch_add(1, Ordering::Relaxed) % count),
            Policy::LeastLoaded { choices, reports } => {
                let draw = drawn(count, choices);
                least_loaded(candidates().enumerate().filter(|(index, _)| draw.contains(index)), reports)
            }
        }
    }

    fn stay<'a>(
        &self,
        endpoints: &'a [Arc<Endpoint>],
        mut candidates: impl Iterator<Item = &'a Arc<Endpoint>>,
        shuffle: Option<usize>,
    ) -> Option<&'a Arc<Endpoint>> {
        // Nothing panics while the lock is held.
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let begin = shuffle.filter(|_| current.is_none()).map_or(0, |count| fastrand::usize(..count));
        let first = candidates.nth(begin)?;
        let kept = current.as_ref().and_then(|kept| {
            std::iter::once(first).chain(candidates).find(|endpoint| Arc::ptr_eq(endpoint, kept))
        });
        let chosen = kept.unwrap_or(first);
        let stays = current.as_ref().is_some_and(|kept| {
            // While one call looks elsewhere, the others stay.
            Arc::ptr_eq(kept, chosen)
                || (!kept.is_ejected() && endpoints.iter().any(|one| Arc::ptr_eq(one, kept)))
        });
        if !stays {
            *current = Some(chosen.clone());
        }
        Some(chosen)
    }
}

/// As many different numbers below `count` as there are choices, or all.
fn drawn(count: usize, choices: usize) -> Drawn {
    let mut drawn = Drawn { numbers: [usize::MAX; 10], all: count <= choices };
    let mut found = 0;
    while !drawn.all && found < choices.min(drawn.numbers.len()) {
        let number = fastrand::usize(..count);
        if !drawn.numbers.contains(&number) {
            drawn.numbers[found] = number;
            found += 1;
        }
    }
    drawn
}

struct Drawn {
    numbers: [usize; 10],
    all: bool,
}

impl Drawn {
    fn contains(&self, number: &usize) -> bool {
        self.all || self.numbers.contains(number)
    }
}

/// The one with the fewest attempts in flight, times its load where every one of them reported that lately. Of equals,
/// the one that chance says.
fn least_loaded<'a>(
    candidates: impl Iterator<Item = (usize, &'a Arc<Endpoint>)> + Clone,
    reports: bool,
) -> Option<&'a Arc<Endpoint>> {
    let now = Instant::now();
    let load = |endpoint: &Endpoint| endpoint.load.thousandths(now);
    let by_load = reports && candidates.clone().all(|(_, endpoint)| load(endpoint).is_some());
    let cost = |endpoint: &Endpoint| {
        let factor = if by_load { load(endpoint).unwrap_or(1) } else { 1 };
        u64::try_from(endpoint.in_flight())
            .unwrap_or(u64::MAX)
            .saturating_add(1)
            .saturating_mul(factor.into())
    };
    candidates.map(|(_, endpoint)| endpoint).min_by_key(|endpoint| (cost(endpoint), fastrand::u32(..)))
}
