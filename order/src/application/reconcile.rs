//! Settling the orders that their drivers left PENDING: a crash, a lost answer, a Payment that was down.
//!
//! Any number of instances may do so at once. Each order that is due is first claimed, by a compare-and-set that
//! is committed, and then charged again, which is harmless: Payment answers every call for an order alike. One
//! that has been PENDING for long is given up instead. Nothing here makes an order NOT_CHARGED: another driver's
//! call may have run.
//!
//! A Payment that does not answer is probed by one order at a time; once it answers, twice as many are worked on
//! with each answer, up to [`CONCURRENCY_MAX`].

use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{Application, DRIVE_MAX};
use crate::{
    domain::{Attempts, ChargeOutcome, Due, OrderId, VoidOutcome},
    ports::Recovered,
};

/// Orders that one instance settles at once, so that recovery never starves those who place orders.
pub const CONCURRENCY_MAX: usize = 32;
/// An order that has been PENDING for so long is given up.
pub const VOID_AFTER: Duration = Duration::from_secs(15 * 60);
/// How long a call to Payment may take. With [`RECHECK_MAX`] it bounds how long after Payment's return an order
/// that was just being tried is tried again.
pub const RECHARGE_MAX: Duration = Duration::from_secs(2);
/// How long after a claim the order is due again, at most; half of it at least.
pub const RECHECK_MAX: Duration = Duration::from_secs(2);
/// The same for an order that Payment knows otherwise, which waits for a human.
pub const MISMATCH_RECHECK_MAX: Duration = Duration::from_secs(60);
/// How often the store is asked what is due, at the least.
const POLL_MAX: Duration = Duration::from_millis(500);
/// The pause after a call that Payment did not answer, and after a store that did not.
const FAILURE_PAUSE_MAX: Duration = Duration::from_secs(1);
/// Orders that are read at once.
const BATCH_MAX: u32 = 128;
/// How often what is PENDING is told, and as far as how many orders tell.
const BACKLOG_EVERY: Duration = Duration::from_secs(5);
const BACKLOG_MAX: u32 = 1001;

impl Application {
    /// Settles whatever is due, until it is dropped. What it has begun runs to its end all the same.
    pub async fn reconcile(&self) {
        let (ended, endings) = unbounded_channel();
        let now = self.clock.monotonic();
        let round = Round {
            application: self.clone(),
            queue: VecDeque::new(),
            working: BTreeSet::new(),
            window: CONCURRENCY_MAX,
            resume_at: now,
            read_at: now,
            ended,
            endings,
        };
        tokio::select! {
            biased;
            () = round.run() => {}
            () = self.watch_backlog() => {}
        }
    }

    async fn watch_backlog(&self) {
        loop {
            // A store that does not answer has been heard of by whoever reads what is due.
            if let Ok(backlog) = self.orders.backlog(BACKLOG_MAX).await {
                self.monitor.backlog(&backlog);
            }
            self.clock.sleep(BACKLOG_EVERY).await;
        }
    }

    /// Takes the order in hand, charges it or gives it up, and settles it by what is known then.
    async fn recover(&self, due: Due) -> Recovered {
        let hold = due.hold();
        let claimed = self.orders.claim(hold, self.mint.jittered(RECHECK_MAX)).await;
        if claimed != Ok(true) {
            return Recovered::LeftAlone;
        }
        let hold = hold.taken();
        if due.pending_for >= VOID_AFTER {
            let outcome = self.payments.void(hold.order, RECHARGE_MAX).await;
            if let Some(settlement) = outcome.settlement() {
                self.settle(hold, settlement).await;
                return Recovered::Answered;
            }
            if outcome == VoidOutcome::Unknown {
                return Recovered::Unanswered;
            }
        }
        let outcome = self.ask(&due.charge, RECHARGE_MAX).await;
        let recovered = match outcome {
            ChargeOutcome::NeverRan | ChargeOutcome::Unknown => Recovered::Unanswered,
            _ => Recovered::Answered,
        };
        if outcome == ChargeOutcome::Mismatch {
            // Whoever loses this claim has the order in hand, and finds the same.
            let _ = self.orders.claim(hold, self.mint.jittered(MISMATCH_RECHECK_MAX)).await;
        }
        self.conclude(hold, outcome, Attempts::OthersToo).await;
        recovered
    }
}

/// The work of one instance.
struct Round {
    application: Application,
    /// Orders that are due and not begun.
    queue: VecDeque<Due>,
    /// Orders that are being worked on.
    working: BTreeSet<OrderId>,
    /// How many may be.
    window: usize,
    /// Before this moment none is begun, and before that the store is not read.
    resume_at: Duration,
    read_at: Duration,
    ended: UnboundedSender<(OrderId, Recovered)>,
    endings: UnboundedReceiver<(OrderId, Recovered)>,
}

impl Round {
    async fn run(mut self) {
        loop {
            let now = self.application.clock.monotonic();
            if now >= self.resume_at {
                if self.queue.is_empty() && now >= self.read_at {
                    self.read(now).await;
                }
                self.begin();
            }
            let Some(wake_at) = self.wakes_at() else {
                self.ending(None).await;
                continue;
            };
            let pause = wake_at.saturating_sub(self.application.clock.monotonic());
            self.ending(Some(pause)).await;
        }
    }

    async fn read(&mut self, now: Duration) {
        let Application { orders, mint, .. } = &self.application;
        let pause = match orders.due(BATCH_MAX).await {
            // More may be due than one batch holds.
            Ok(due) if due.len() == BATCH_MAX as usize => {
                self.queue.extend(due);
                Duration::ZERO
            }
            Ok(due) => {
                self.queue.extend(due);
                mint.jittered(POLL_MAX)
            }
            Err(_) => mint.jittered(FAILURE_PAUSE_MAX),
        };
        self.read_at = now + pause;
    }

    fn begin(&mut self) {
        while self.working.len() < self.window
            && let Some(due) = self.queue.pop_front()
        {
            let order = due.charge.order;
            if !self.working.insert(order) {
                continue;
            }
            let application = self.application.clone();
            let mut ending = Ending { order, recovered: Recovered::Unanswered, ended: self.ended.clone() };
            self.application.tasks.spawn(Box::pin(async move {
                tokio::select! {
                    biased;
                    recovered = application.recover(due) => ending.is(recovered),
                    () = application.clock.sleep(DRIVE_MAX) => {}
                }
            }));
        }
    }

    /// When there may be something to do although no work ends; `None` where only that can bring any.
    fn wakes_at(&self) -> Option<Duration> {
        if self.working.len() >= self.window {
            return None;
        }
        Some(if self.queue.is_empty() { self.resume_at.max(self.read_at) } else { self.resume_at })
    }

    /// Waits until work has ended, or for so long.
    async fn ending(&mut self, pause: Option<Duration>) {
        let clock = self.application.clock.clone();
        let waited = async {
            match pause {
                Some(pause) => clock.sleep(pause).await,
                None => std::future::pending().await,
            }
        };
        let ended = tokio::select! {
            biased;
            ended = self.endings.recv() => ended,
            () = waited => None,
        };
        let Some((order, recovered)) = ended else { return };
        self.working.remove(&order);
        self.application.monitor.recovered(recovered);
        match recovered {
            Recovered::Answered => self.window = (self.window * 2).min(CONCURRENCY_MAX),
            Recovered::Unanswered => {
                let Application { clock, mint, .. } = &self.application;
                self.window = 1;
                self.resume_at = clock.monotonic() + mint.jittered(FAILURE_PAUSE_MAX);
            }
            Recovered::LeftAlone => {}
        }
    }
}

/// Tells how work on an order ended, also where it was cut off.
struct Ending {
    order: OrderId,
    recovered: Recovered,
    ended: UnboundedSender<(OrderId, Recovered)>,
}

impl Ending {
    fn is(&mut self, recovered: Recovered) {
        self.recovered = recovered;
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        // Nobody is left to hear of it where the instance stops.
        let _ = self.ended.send((self.order, self.recovered));
    }
}
