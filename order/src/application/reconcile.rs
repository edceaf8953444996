//! The reconciler: settles orders that were left PENDING by a crash, a lost response or an outage of Payment.
//!
//! Any number of instances may run it at once. Each order that is due is first claimed, by a committed
//! compare-and-set, and then charged again. That is harmless, since Payment's response for an order never
//! changes. An order that is PENDING for [`VOID_AFTER`] is voided instead. The reconciler makes no order
//! NOT_CHARGED, since the call of another task may have run.
//!
//! While Payment does not respond, one recovery at a time probes it. Each response doubles the number of
//! concurrent recoveries, up to [`CONCURRENCY_MAX`].

use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{Application, ORDER_TASK_MAX};
use crate::{
    domain::{Attempts, ChargeOutcome, ChargeRequest, FencingToken, OrderId, PendingOrder, VoidOutcome},
    ports::RecoveryOutcome,
};

/// Maximum number of concurrent recoveries of one instance, so that recovery leaves capacity for new orders.
pub const CONCURRENCY_MAX: usize = 32;
/// A PENDING order of this age is voided.
pub const VOID_AFTER: Duration = Duration::from_secs(15 * 60);
/// Timeout of a call of Payment that no client waits for. After an outage of Payment, an order in recovery
/// waits for this timeout and for the end of its lease ([`CLAIM_LEASE_MAX`]).
pub const RECOVERY_CALL_MAX: Duration = Duration::from_secs(2);
/// The longest lease of a claim; jitter shortens it by up to half. The recovery renews it while it works; the
/// order is due again when the lease ends.
pub const CLAIM_LEASE_MAX: Duration = Duration::from_secs(2);
/// The longest lease for a mismatch, which an operator must resolve, and for an order that this program cannot
/// charge.
pub const MISMATCH_LEASE_MAX: Duration = Duration::from_secs(60);
/// The longest pause between two reads of due orders.
const POLL_MAX: Duration = Duration::from_millis(500);
/// The longest pause after a call of Payment or of the store without a response.
const FAILURE_PAUSE_MAX: Duration = Duration::from_secs(1);
/// Maximum number of due orders in one read.
const BATCH_MAX: u32 = 128;
/// Interval of recording the backlog.
const BACKLOG_INTERVAL: Duration = Duration::from_secs(5);
/// Maximum number of PENDING orders that are counted for the backlog.
const BACKLOG_MAX: u32 = 1001;

impl Application {
    /// Recovers due orders until the future is dropped, which does not cancel recoveries in progress.
    pub async fn reconcile(&self) {
        let (sender, receiver) = unbounded_channel();
        let now = self.clock.monotonic();
        let reconciler = Reconciler {
            application: self.clone(),
            queue: VecDeque::new(),
            in_progress: BTreeSet::new(),
            window: CONCURRENCY_MAX,
            resume_at: now,
            next_read_at: now,
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
            // The adapter logs the error of the store.
            if let Ok(backlog) = self.orders.backlog(BACKLOG_MAX).await {
                self.monitor.record_backlog(&backlog);
            }
            self.clock.sleep(BACKLOG_INTERVAL).await;
        }
    }

    /// Claims the order, charges or voids it, and settles it by the outcome.
    async fn recover(&self, pending: PendingOrder) -> RecoveryOutcome {
        let token = pending.fencing_token();
        let Some(charge) = pending.charge else {
            // An order in a currency that this program does not know, which must not hold up the others.
            let _ = self.orders.claim(token, self.ids.jittered(MISMATCH_LEASE_MAX)).await;
            return RecoveryOutcome::LeftAlone;
        };
        let lease = self.ids.jittered(CLAIM_LEASE_MAX);
        if self.orders.claim(token, lease).await != Ok(true) {
            return RecoveryOutcome::LeftAlone;
        }
        self.with_lease(token.order, lease, self.recover_claimed(&pending, &charge, token.next())).await
    }

    async fn recover_claimed(
        &self,
        pending: &PendingOrder,
        charge: &ChargeRequest,
        token: FencingToken,
    ) -> RecoveryOutcome {
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
        let outcome = self.charge(charge, RECOVERY_CALL_MAX).await;
        let recovery = match outcome {
            ChargeOutcome::NeverRan | ChargeOutcome::Unknown => RecoveryOutcome::Unanswered,
            _ => RecoveryOutcome::Answered,
        };
        if outcome == ChargeOutcome::Mismatch {
            // If this claim fails, another task has claimed the order and finds the same mismatch.
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
    next_read_at: Duration,
    sender: UnboundedSender<(OrderId, RecoveryOutcome)>,
    receiver: UnboundedReceiver<(OrderId, RecoveryOutcome)>,
}

impl Reconciler {
    async fn run(mut self) {
        loop {
            let now = self.application.clock.monotonic();
            if now >= self.resume_at {
                if self.queue.is_empty() && now >= self.next_read_at {
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
        self.next_read_at = now + pause;
    }

    fn start_recoveries(&mut self) {
        while self.in_progress.len() < self.window
            && let Some(pending) = self.queue.pop_front()
        {
            let order = pending.order;
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

    /// When a recovery or a read may start; `None` if a recovery must end first.
    fn wake_at(&self) -> Option<Duration> {
        if self.in_progress.len() >= self.window {
            return None;
        }
        Some(if self.queue.is_empty() { self.resume_at.max(self.next_read_at) } else { self.resume_at })
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
        // Sending fails once the reconciler has stopped.
        let _ = self.sender.send((self.order, self.outcome));
    }
}
