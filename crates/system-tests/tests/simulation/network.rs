//! The network between Order and Payment: calls are refused, lost, delayed, or delivered twice.
//!
//! A call that was sent may arrive after its caller was killed. It provably never ran only if no copy of it
//! can arrive.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use order::{
    application::VOID_AFTER,
    domain::{ChargeOutcome, ChargeRequest, Decline, Order, OrderId, VoidOutcome},
    ports::Payments,
};
use payment::{
    application::{Application, ChargeError, Receipt, VoidError},
    domain::{self, Outcome, Payment, Total},
};
use tokio::{
    sync::oneshot,
    time::{sleep, timeout},
};

use crate::{
    faults::Fault,
    plan::Outage,
    simulation::Simulation,
    store_calls::{InstanceContext, sleep_for},
};

/// The longest delay of a call, and of its copy.
const DELAY_MS_MAX: u64 = 30_000;
/// The longest attempt to connect.
const CONNECT_MS_MAX: u64 = 1_000;

/// The links that are cut, by the numbers of Order and Payment, and until when.
#[derive(Debug, Default)]
pub(crate) struct Partitions(Mutex<BTreeMap<(usize, usize), Duration>>);

impl Partitions {
    pub(crate) fn cut(&self, order: usize, payment: usize, until: Duration) {
        let mut partitions = self.0.lock().unwrap();
        let end = partitions.entry((order, payment)).or_default();
        *end = until.max(*end);
    }

    fn is_cut(&self, order: usize, payment: usize, now: Duration) -> bool {
        self.0.lock().unwrap().get(&(order, payment)).is_some_and(|until| now < *until)
    }
}

/// The port of Payment of one Order, with faults.
pub(crate) struct FaultyPayments {
    pub(crate) context: InstanceContext,
    /// The number of the Order.
    pub(crate) number: usize,
}

/// A call, run by the Payment that it arrives at.
type Call<T> = Arc<dyn Fn(Application) -> Pin<Box<dyn Future<Output = T> + Send>> + Send + Sync>;

/// The result of a call for its caller.
enum Reply<T> {
    NeverRan,
    Lost,
    /// `true` where no copy of the call is in flight.
    Received(T, bool),
}

#[async_trait]
impl Payments for FaultyPayments {
    async fn charge(&self, request: &ChargeRequest, time_left: Duration) -> ChargeOutcome {
        let request_to_payment = to_payment_request(request);
        let call: Call<Result<Receipt, ChargeError>> =
            Arc::new(move |payment| Box::pin(async move { payment.charge(request_to_payment).await }));
        let outcome = match self.call(time_left, call).await {
            Reply::NeverRan => ChargeOutcome::NeverRan,
            Reply::Lost => ChargeOutcome::Unknown,
            Reply::Received(result, only_copy) => outcome_of(result, only_copy),
        };
        self.context
            .sim
            .log(format_args!("{}: charge {}: {outcome:?}", self.context.process.name, request.order));
        outcome
    }

    async fn void(&self, order: OrderId, time_left: Duration) -> VoidOutcome {
        let order_in_payment = domain::OrderId::new(order.get()).unwrap();
        let call: Call<Result<Payment, VoidError>> =
            Arc::new(move |payment| Box::pin(async move { payment.void(order_in_payment).await }));
        let outcome = match self.call(time_left, call).await {
            Reply::Received(Ok(recorded), _) if recorded.outcome == Outcome::Voided => VoidOutcome::Voided,
            Reply::Received(Ok(_), _) => VoidOutcome::AlreadyDecided,
            Reply::NeverRan | Reply::Lost | Reply::Received(Err(_), _) => VoidOutcome::Unknown,
        };
        self.context.sim.log(format_args!("{}: void {order}: {outcome:?}", self.context.process.name));
        outcome
    }
}

/// The mapping of `order/src/adapters/payment.rs`, without gRPC.
fn outcome_of(result: Result<Receipt, ChargeError>, only_copy: bool) -> ChargeOutcome {
    match result {
        Ok(_) => ChargeOutcome::Charged,
        Err(ChargeError::Declined { reason, .. }) => ChargeOutcome::Declined(Decline {
            reason: reason.name().to_owned(),
            description: reason.description().to_owned(),
        }),
        Err(ChargeError::Voided { .. }) => ChargeOutcome::Voided,
        Err(ChargeError::Mismatch { .. }) => ChargeOutcome::Mismatch,
        Err(ChargeError::NotStarted) if only_copy => ChargeOutcome::NeverRan,
        Err(ChargeError::NotStarted | ChargeError::NotStored | ChargeError::Unknown) => {
            ChargeOutcome::Unknown
        }
    }
}

/// Order's request as a type of Payment.
pub(crate) fn to_payment_request(request: &ChargeRequest) -> domain::ChargeRequest {
    domain::ChargeRequest {
        order: domain::OrderId::new(request.order.get()).unwrap(),
        user: domain::UserId::new(request.user.get()).unwrap(),
        total: Total::new(request.total).unwrap(),
    }
}

impl FaultyPayments {
    async fn call<T: Send + 'static>(&self, time_left: Duration, call: Call<T>) -> Reply<T> {
        let sim = &self.context.sim;
        let crash_after = sim.draw_fault(self.context.crash);
        if crash_after && sim.chance_per_mille(500) {
            self.context.process.kill_from_task().await;
        }
        let target = sim.index(sim.payment_hosts.len());
        let sent = self.send(target, time_left, call);
        let reply = timeout(time_left, sent).await.unwrap_or(Reply::Lost);
        if crash_after {
            self.context.process.kill_from_task().await;
        }
        reply
    }

    async fn send<T: Send + 'static>(&self, target: usize, time_left: Duration, call: Call<T>) -> Reply<T> {
        let sim = &self.context.sim;
        if let Some(reply) = self.fail_before_delivery(target, time_left).await {
            return reply;
        }
        let repeated = sim.draw_fault(Fault::CallRepeated);
        if repeated {
            let (delay, other) = (long_delay(sim), sim.index(sim.payment_hosts.len()));
            spawn_delivery(sim, other, delay, call.clone());
        }
        let lost = sim.draw_fault(Fault::CallReplyLost);
        let delay = if sim.draw_fault(Fault::CallDelayed) { long_delay(sim) } else { sim.ms(0..=5) };
        let reply = spawn_delivery(sim, target, delay, call);
        if lost {
            let noticed = sim.ms(5..=2_000);
            sleep(noticed).await;
            return Reply::Lost;
        }
        match reply.await {
            Ok(result) => {
                sleep_for(sim.ms(0..=5)).await;
                Reply::Received(result, !repeated)
            }
            Err(_) => Reply::Lost,
        }
    }

    /// Draws whether the call fails before it is delivered; returns its result then.
    async fn fail_before_delivery<T>(&self, target: usize, time_left: Duration) -> Option<Reply<T>> {
        let sim = &self.context.sim;
        if sim.partitions.is_cut(self.number, target, sim.now()) && !sim.is_healed() {
            sim.count(Fault::Partition);
            // An open connection goes silent; a new one is not established.
            if sim.chance_per_mille(500) {
                sleep(time_left).await;
                return Some(Reply::Lost);
            }
            let connecting = sim.ms(100..=CONNECT_MS_MAX);
            sleep(connecting).await;
            return Some(Reply::NeverRan);
        }
        let refused = sim.draw_fault(Fault::CallRefused) || !sim.payment_hosts[target].is_running();
        if refused || sim.draw_fault(Fault::CallOverloaded) {
            sleep_for(sim.ms(0..=5)).await;
            return Some(Reply::NeverRan);
        }
        if sim.draw_fault(Fault::CallLost) {
            let noticed = sim.ms(5..=5_000);
            sleep(noticed).await;
            return Some(Reply::Lost);
        }
        None
    }
}

/// The delay of a late call. In a long outage, it may arrive after the order was voided.
fn long_delay(sim: &Simulation) -> Duration {
    let mut rng = sim.rng();
    let delay = rng.ms(10..=DELAY_MS_MAX);
    if sim.plan.outage != Outage::None && rng.chance_per_mille(500) { delay + VOID_AFTER } else { delay }
}

/// Delivers the call after `delay`; the receiver gets its result.
fn spawn_delivery<T: Send + 'static>(
    sim: &Arc<Simulation>,
    target: usize,
    delay: Duration,
    call: Call<T>,
) -> oneshot::Receiver<T> {
    let (sender, receiver) = oneshot::channel();
    let owned = sim.clone();
    sim.calls.spawn(sim.reporting_panics(async move {
        sleep_for(delay).await;
        if let Some(result) = owned.payment_hosts[target].serve(&owned, &*call).await {
            drop(sender.send(result));
        }
    }));
    receiver
}

/// Another caller charges the order, with another amount or for another user.
pub(crate) fn charge_conflicting(sim: &Arc<Simulation>, order: &Order) {
    sim.record().charged_by_others.insert(order.id);
    let mut request = order.charge().unwrap();
    let target = {
        let mut rng = sim.rng();
        if rng.chance_per_mille(300) {
            request.user = order::domain::UserId::new(request.user.get() + 1).unwrap();
        } else {
            let minor = request.total.minor() + 1;
            request.total = money::Money::from_minor(request.total.currency(), minor).unwrap();
        }
        rng.index(sim.payment_hosts.len())
    };
    let request = to_payment_request(&request);
    sim.log(format_args!("another caller charges {request:?}"));
    let call: Call<Result<Receipt, ChargeError>> =
        Arc::new(move |payment| Box::pin(async move { payment.charge(request).await }));
    drop(spawn_delivery(sim, target, Duration::ZERO, call));
}
