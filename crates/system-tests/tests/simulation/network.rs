//! The network between Order and Payment: calls that are refused, lost, late, or arrive twice.
//!
//! A call that was sent arrives when it arrives, whatever became of whoever made it. Only a call of which no copy
//! can have arrived provably never ran.

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
    store::{Site, pass},
    world::World,
};

/// How late a call may arrive, and how late its copy.
const DELAY_MS_MAX: u64 = 30_000;
/// How long a connection is tried.
const CONNECT_MS_MAX: u64 = 1_000;

/// From when until when no call gets from an Order to a Payment, by their numbers.
#[derive(Debug, Default)]
pub(crate) struct Partitions(Mutex<BTreeMap<(usize, usize), Duration>>);

impl Partitions {
    /// Nothing passes until then.
    pub(crate) fn part(&self, order: usize, payment: usize, until: Duration) {
        let mut partitions = self.0.lock().unwrap();
        let parted = partitions.entry((order, payment)).or_default();
        *parted = until.max(*parted);
    }

    fn parted(&self, order: usize, payment: usize, now: Duration) -> bool {
        self.0.lock().unwrap().get(&(order, payment)).is_some_and(|until| now < *until)
    }
}

/// Payment, as one instance of Order reaches it.
pub(crate) struct PaymentFromSite {
    pub(crate) site: Site,
    /// Which Order this is.
    pub(crate) number: usize,
}

/// What is asked of whichever Payment a call arrives at.
type Ask<T> = Arc<dyn Fn(Application) -> Pin<Box<dyn Future<Output = T> + Send>> + Send + Sync>;

/// What the caller has of a call.
enum Reply<T> {
    NeverRan,
    Lost,
    /// `true` where no copy of the call is under way.
    Answered(T, bool),
}

#[async_trait]
impl Payments for PaymentFromSite {
    async fn charge(&self, request: &ChargeRequest, time_left: Duration) -> ChargeOutcome {
        let asked = translated(request);
        let ask: Ask<Result<Receipt, ChargeError>> =
            Arc::new(move |payment| Box::pin(async move { payment.charge(asked).await }));
        let outcome = match self.call(time_left, ask).await {
            Reply::NeverRan => ChargeOutcome::NeverRan,
            Reply::Lost => ChargeOutcome::Unknown,
            Reply::Answered(answer, sole) => outcome_of(answer, sole),
        };
        self.site
            .world
            .log(format_args!("{}: charge {}: {outcome:?}", self.site.process.name, request.order));
        outcome
    }

    async fn void(&self, order: OrderId, time_left: Duration) -> VoidOutcome {
        let asked = domain::OrderId::new(order.get()).unwrap();
        let ask: Ask<Result<Payment, VoidError>> =
            Arc::new(move |payment| Box::pin(async move { payment.void(asked).await }));
        let outcome = match self.call(time_left, ask).await {
            Reply::Answered(Ok(recorded), _) if recorded.outcome == Outcome::Voided => VoidOutcome::Voided,
            Reply::Answered(Ok(_), _) => VoidOutcome::Answered,
            Reply::NeverRan | Reply::Lost | Reply::Answered(Err(_), _) => VoidOutcome::Unknown,
        };
        self.site.world.log(format_args!("{}: void {order}: {outcome:?}", self.site.process.name));
        outcome
    }
}

/// The table of `order/src/adapters/payment.rs`, without the wire between.
fn outcome_of(answer: Result<Receipt, ChargeError>, sole: bool) -> ChargeOutcome {
    match answer {
        Ok(_) => ChargeOutcome::Charged,
        Err(ChargeError::Declined { reason, .. }) => ChargeOutcome::Declined(Decline {
            reason: reason.name().to_owned(),
            description: reason.description().to_owned(),
        }),
        Err(ChargeError::Voided { .. }) => ChargeOutcome::Voided,
        Err(ChargeError::Mismatch { .. }) => ChargeOutcome::Mismatch,
        Err(ChargeError::NotStarted) if sole => ChargeOutcome::NeverRan,
        Err(ChargeError::NotStarted | ChargeError::Unknown) => ChargeOutcome::Unknown,
    }
}

/// What Order asks for, in Payment's words.
pub(crate) fn translated(request: &ChargeRequest) -> domain::ChargeRequest {
    domain::ChargeRequest {
        order: domain::OrderId::new(request.order.get()).unwrap(),
        user: domain::UserId::new(request.user.get()).unwrap(),
        total: Total::new(request.total).unwrap(),
    }
}

impl PaymentFromSite {
    async fn call<T: Send + 'static>(&self, time_left: Duration, ask: Ask<T>) -> Reply<T> {
        let world = &self.site.world;
        let crash_after = world.strikes(self.site.crash);
        if crash_after && world.chance(500) {
            self.site.process.die().await;
        }
        let target = world.index(world.payment_hosts.len());
        let sent = self.send(target, time_left, ask);
        let reply = timeout(time_left, sent).await.unwrap_or(Reply::Lost);
        if crash_after {
            self.site.process.die().await;
        }
        reply
    }

    async fn send<T: Send + 'static>(&self, target: usize, time_left: Duration, ask: Ask<T>) -> Reply<T> {
        let world = &self.site.world;
        if let Some(reply) = self.obstructed(target, time_left).await {
            return reply;
        }
        let repeated = world.strikes(Fault::CallRepeated);
        if repeated {
            let (late, other) = (late(world), world.index(world.payment_hosts.len()));
            spawn_delivery(world, other, late, ask.clone());
        }
        let lost = world.strikes(Fault::CallAnswerLost);
        let delay = if world.strikes(Fault::CallDelayed) { late(world) } else { world.ms(0..=5) };
        let answered = spawn_delivery(world, target, delay, ask);
        if lost {
            let noticed = world.ms(5..=2_000);
            sleep(noticed).await;
            return Reply::Lost;
        }
        match answered.await {
            Ok(answer) => {
                pass(world.ms(0..=5)).await;
                Reply::Answered(answer, !repeated)
            }
            Err(_) => Reply::Lost,
        }
    }

    /// How the call ends without having been delivered, if it does.
    async fn obstructed<T>(&self, target: usize, time_left: Duration) -> Option<Reply<T>> {
        let world = &self.site.world;
        if world.partitions.parted(self.number, target, world.now()) && !world.is_healed() {
            world.count(Fault::Partition);
            // A connection that is there goes silent; a new one is not made.
            if world.chance(500) {
                sleep(time_left).await;
                return Some(Reply::Lost);
            }
            let connecting = world.ms(100..=CONNECT_MS_MAX);
            sleep(connecting).await;
            return Some(Reply::NeverRan);
        }
        let refused = world.strikes(Fault::CallRefused) || !world.payment_hosts[target].is_up();
        if refused || world.strikes(Fault::CallOverloaded) {
            pass(world.ms(0..=5)).await;
            return Some(Reply::NeverRan);
        }
        if world.strikes(Fault::CallLost) {
            let noticed = world.ms(5..=5_000);
            sleep(noticed).await;
            return Some(Reply::Lost);
        }
        None
    }
}

/// How late a call arrives that is late: in a long outage perhaps after the order was given up.
fn late(world: &World) -> Duration {
    let mut random = world.random();
    let late = random.ms(10..=DELAY_MS_MAX);
    if world.plan.outage != Outage::None && random.chance(500) { late + VOID_AFTER } else { late }
}

/// Lets the call arrive after so long, and returns where its answer will be.
fn spawn_delivery<T: Send + 'static>(
    world: &Arc<World>,
    target: usize,
    delay: Duration,
    ask: Ask<T>,
) -> oneshot::Receiver<T> {
    let (tell, told) = oneshot::channel();
    let arrives_at = world.clone();
    world.calls.spawn(world.watched(async move {
        pass(delay).await;
        if let Some(answer) = arrives_at.payment_hosts[target].serve(&arrives_at, &*ask).await {
            drop(tell.send(answer));
        }
    }));
    told
}

/// An old client's mistake: a charge for the order with another amount, or for another user.
pub(crate) fn stray(world: &Arc<World>, order: &Order) {
    world.record().touched.insert(order.id);
    let mut asked = order.charge();
    let target = {
        let mut random = world.random();
        if random.chance(300) {
            asked.user = order::domain::UserId::new(asked.user.get() + 1).unwrap();
        } else {
            let minor = asked.total.minor() + 1;
            asked.total = money::Money::from_minor(asked.total.currency(), minor).unwrap();
        }
        random.index(world.payment_hosts.len())
    };
    let asked = translated(&asked);
    world.log(format_args!("somebody else charges {asked:?}"));
    let ask: Ask<Result<Receipt, ChargeError>> =
        Arc::new(move |payment| Box::pin(async move { payment.charge(asked).await }));
    drop(spawn_delivery(world, target, Duration::ZERO, ask));
}
