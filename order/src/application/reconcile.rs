//! The reconciler: settles orders that were left PENDING by a crash, a lost response or an outage of Payment.
//!
//! Any number of instances may run it at once. Each order that is due is first claimed, by a committed
//! compare-and-set, and then charged again. That is harmless, since Payment's response for an order never
//! changes. An order that has been PENDING for long is voided instead. The reconciler never makes an order
//! NOT_CHARGED, since the call of another task may have run.
//!
//! While Payment does not answer, one order at a time probes it. Each answer doubles the number of concurrent
//! recoveries, up to [`CONCURRENCY_MAX`].

use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{Application, ORDER_TASK_MAX};
use crate::{
    domain::{Attempts, ChargeOutcome, OrderId, PendingOrder, VoidOutcome},
    ports::RecoveryOutcome,
};

/// Maximum number of concurrent recoveries of one instance, so that recovery leaves capacity for new orders.
pub const CONCURRENCY_MAX: usize = 32;
/// An order that has been PENDING for so long is voided.
pub const VOID_AFTER: Duration = Duration::from_secs(15 * 60);
/// The longest that a call of Payment may take. Together with [`CLAIM_LEASE_MAX`] it bounds how long after
/// Payment's return an order is tried again whose recovery was in progress.
pub const RECOVERY_CALL_MAX: Duration = Duration::from_secs(2);
/// The longest lease of a claim; the shortest is half of it. The order is due again when the lease ends.
pub const CLAIM_LEASE_MAX: Duration = Duration::from_secs(2);
/// The longest lease for a mismatch, which an operator must resolve.
pub const MISMATCH_LEASE_MAX: Duration = Duration::from_secs(60);
/// The longest pause between two reads of due orders.
const POLL_MAX: Duration = Duration::from_millis(500);
/// The longest pause after a call that Payment or the store did not answer.
const FAILURE_PAUSE_MAX: Duration = Duration::from_secs(1);
/// Maximum number of due orders in one read.
const BATCH_MAX: u32 = 128;
/// How often the backlog is recorded, and how many PENDING orders that reads at most.
const BACKLOG_EVERY: Duration = Duration::from_secs(5);
const BACKLOG_MAX: u32 = 1001;

impl Application {
    /// Recovers due orders until the future is dropped. Recoveries in progress run to their end all the same.
    pub async fn reconcile(&self) {
        let (sender, receiver) = unbounded_channel();
        let now = self.clock.monotonic();
        let reconciler = Reconciler {
            application: self.clone(),
            queue: VecDeque::new(),
            in_progress: BTreeSet::new(),
            window: CONCURRENCY_MAX,
            resume_at: now,
            read_at: now,
            sender,
            receiver,
        };
        tokio::select! {
            biased;
            () = reconciler.run() => {}
            () = self.watch_backlog() => {}
        }
    }

    async fn watch_backlog(&self) {
        loop {
            // The adapter logs a store that fails.
            if let Ok(backlog) = self.orders.backlog(BACKLOG_MAX).await {
                self.monitor.record_backlog(&backlog);
            }
            self.clock.sleep(BACKLOG_EVERY).await;
        }
    }

    /// Claims the order, charges or voids it, and settles it by the outcome.
    async fn recover(&self, pending: PendingOrder) -> RecoveryOutcome {
        let token = pending.fencing_token();
        let claimed = self.orders.claim(token, self.ids.jittered(CLAIM_LEASE_MAX)).await;
        if claimed != Ok(true) {
            return RecoveryOutcome::LeftAlone;
        }
        let token = token.next();
        if pending.pending_for >= VOID_AFTER {
            let outcome = self.payments.void(token.order, RECOVERY_CALL_MAX).await;
            if let Some(settlement) = outcome.settlement() {
                self.settle(token, settlement).await;
                return RecoveryOutcome::Answered;
            }
            if outcome == VoidOutcome::Unknown {
                return RecoveryOutcome::Unanswered;
            }
        }
        let outcome = self.charge(&pending.charge, RECOVERY_CALL_MAX).await;
        let recovery = match outcome {
            ChargeOutcome::NeverRan | ChargeOutcome::Unknown => RecoveryOutcome::Unanswered,
            _ => RecoveryOutcome::Answered,
        };
        if outcome == ChargeOutcome::Mismatch {
            // If this claim fails, the task that holds the order finds the same mismatch.
            let _ = self.orders.claim(token, self.ids.jittered(MISMATCH_LEASE_MAX)).await;
        }
        self.settle_with(token, outcome, Attempts::Shared).await;
        recovery
    }
}

/// The reconciler of one instance.
struct Reconciler {
    application: Application,
    /// Due orders whose recovery has not started.
    queue: VecDeque<PendingOrder>,
    /// Orders whose recovery is in progress.
    in_progress: BTreeSet<OrderId>,
    /// Maximum length of `in_progress`.
    window: usize,
    /// No recovery starts before this time.
    resume_at: Duration,
    /// The store is not read before this time.
    read_at: Duration,
    sender: UnboundedSender<(OrderId, RecoveryOutcome)>,
    receiver: UnboundedReceiver<(OrderId, RecoveryOutcome)>,
}

impl Reconciler {
    async fn run(mut self) {
        loop {
            let now = self.application.clock.monotonic();
            if now >= self.resume_at {
                if self.queue.is_empty() && now >= self.read_at {
                    self.read_due(now).await;
                }
                self.start_recoveries();
            }
            let Some(wake_at) = self.wake_at() else {
                self.await_recovery(None).await;
                continue;
            };
            let pause = wake_at.saturating_sub(self.application.clock.monotonic());
            self.await_recovery(Some(pause)).await;
        }
    }

    async fn read_due(&mut self, now: Duration) {
        let Application { orders, ids, .. } = &self.application;
        let pause = match orders.due(BATCH_MAX).await {
            // More orders may be due.
            Ok(due) if due.len() == BATCH_MAX as usize => {
                self.queue.extend(due);
                Duration::ZERO
            }
            Ok(due) => {
                self.queue.extend(due);
                ids.jittered(POLL_MAX)
            }
            Err(_) => ids.jittered(FAILURE_PAUSE_MAX),
        };
        self.read_at = now + pause;
    }

    fn start_recoveries(&mut self) {
        while self.in_progress.len() < self.window
            && let Some(pending) = self.queue.pop_front()
        {
            let order = pending.charge.order;
            if !self.in_progress.insert(order) {
                continue;
            }
            let application = self.application.clone();
            let mut report =
                Report { order, outcome: RecoveryOutcome::Unanswered, sender: self.sender.clone() };
            self.application.tasks.spawn(Box::pin(async move {
                tokio::select! {
                    biased;
                    outcome = application.recover(pending) => report.set(outcome),
                    () = application.clock.sleep(ORDER_TASK_MAX) => {}
                }
            }));
        }
    }

    /// When there may be work although no recovery ends; `None` if only the end of one brings work.
    fn wake_at(&self) -> Option<Duration> {
        if self.in_progress.len() >= self.window {
            return None;
        }
        Some(if self.queue.is_empty() { self.resume_at.max(self.read_at) } else { self.resume_at })
    }

    /// Waits until a recovery ends, but no longer than `pause`.
    async fn await_recovery(&mut self, pause: Option<Duration>) {
        let clock = self.application.clock.clone();
        let timeout = async {
            match pause {
                Some(pause) => clock.sleep(pause).await,
                None => std::future::pending().await,
            }
        };
        let ended = tokio::select! {
            biased;
            ended = self.receiver.recv() => ended,
            () = timeout => None,
        };
        let Some((order, outcome)) = ended else { return };
        self.in_progress.remove(&order);
        self.application.monitor.record_recovery(outcome);
        match outcome {
            RecoveryOutcome::Answered => self.window = (self.window * 2).min(CONCURRENCY_MAX),
            RecoveryOutcome::Unanswered => {
                let Application { clock, ids, .. } = &self.application;
                self.window = 1;
                self.resume_at = clock.monotonic() + ids.jittered(FAILURE_PAUSE_MAX);
            }
            RecoveryOutcome::LeftAlone => {}
        }
    }
}

/// Sends the outcome of a recovery when dropped, so that a recovery that was cancelled is reported too.
struct Report {
    order: OrderId,
    outcome: RecoveryOutcome,
    sender: UnboundedSender<(OrderId, RecoveryOutcome)>,
}

impl Report {
    fn set(&mut self, outcome: RecoveryOutcome) {
        self.outcome = outcome;
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        // The receiver is gone once the reconciler has stopped.
        let _ = self.sender.send((self.order, self.outcome));
    }
}
