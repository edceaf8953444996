//! Clients place orders at any instance that is up, wait or disconnect, and retry.

use std::{sync::Arc, time::Duration};

use order::{
    application::{Application, ReadError},
    domain::{OrderId, Status},
};
use test_support::order::command_of;
use tokio::time::sleep;

use crate::{
    client_requests::{Request, RequestOutcome},
    faults::Fault,
    plan::{OrderIntent, RetryPolicy},
    process::Process,
    simulation::Simulation,
};

/// The attempts during the faults, and after healing: a request whose charge hangs holds its order for up to
/// `CHARGE_MAX`.
const ATTEMPTS_DURING_FAULTS: usize = 6;
const ATTEMPTS_AFTER_HEALING: usize = 16;
const RETRY_DELAY_MS: std::ops::RangeInclusive<u64> = 50..=3_000;

/// Retries as the intent's policy says, until a final outcome.
pub(crate) async fn run(sim: Arc<Simulation>, intent: OrderIntent) {
    sleep(intent.starts_at).await;
    let attempts = match intent.retry_policy {
        RetryPolicy::Never | RetryPolicy::AfterHealing => 1,
        RetryPolicy::UntilFinal => ATTEMPTS_DURING_FAULTS,
    };
    for _ in 0..attempts {
        if attempt(&sim, &intent).await || sim.is_healed() {
            break;
        }
    }
    // Without a key, a retry would place another order.
    if intent.retry_policy == RetryPolicy::Never || intent.key.is_none() {
        return;
    }
    sim.healed.cancelled().await;
    for _ in 0..ATTEMPTS_AFTER_HEALING {
        let delay = sim.ms(RETRY_DELAY_MS);
        sleep(delay).await;
        if attempt(&sim, &intent).await {
            return;
        }
    }
    sim.record().without_final_outcome.push(intent);
}

/// Sends the order once, to an instance that is up if any is. Returns whether the outcome is final; if not,
/// sleeps before.
async fn attempt(sim: &Arc<Simulation>, intent: &OrderIntent) -> bool {
    let outcome = match running_instance(sim) {
        Some(instance) => Some(send(sim, intent, instance).await),
        None => None,
    };
    if let Some(RequestOutcome::Paid(order, _)) = outcome {
        read_back(sim, intent, order).await;
    }
    let is_final = outcome.is_some_and(|outcome| outcome.is_final());
    if !is_final && intent.key.is_some() {
        let delay = sim.ms(RETRY_DELAY_MS);
        sleep(delay).await;
    }
    is_final
}

/// An instance that accepts requests.
fn running_instance(sim: &Simulation) -> Option<(Application, Arc<Process>)> {
    let running: Vec<_> = sim.order_hosts.iter().filter_map(|host| host.running()).collect();
    (!running.is_empty()).then(|| running[sim.index(running.len())].clone())
}

async fn send(
    sim: &Arc<Simulation>,
    intent: &OrderIntent,
    (application, process): (Application, Arc<Process>),
) -> RequestOutcome {
    let timeout = request_timeout(sim);
    let disconnects_after = sim.draw_fault(Fault::Disconnect).then(|| disconnect_delay(sim));
    let request = sim.record_request(Request {
        user: intent.draft.user(),
        key: intent.key.clone(),
        fingerprint: intent.draft.fingerprint().clone(),
        total: intent.draft.total(),
        sent: sim.now(),
        outcome: None,
    });
    let (user, key) = (intent.draft.user().get(), intent.key.as_ref().map(|key| key.as_str()));
    let (total, instance) = (intent.draft.total(), &process.name);
    sim.log(format_args!("request {request}: {instance}, {timeout:?}, user {user}, {key:?}, {total:?}"));
    let disconnect = async {
        match disconnects_after {
            Some(delay) => sleep(delay).await,
            None => std::future::pending().await,
        }
    };
    let command = command_of(intent.draft.user(), intent.draft.items());
    let outcome = tokio::select! {
        biased;
        () = process.ended() => RequestOutcome::Lost,
        placed = application.place_order(command, intent.key.clone(), timeout) => placed.into(),
        () = disconnect => RequestOutcome::Disconnected,
    };
    sim.record_outcome(request, outcome.clone());
    outcome
}

/// The timeout of a request: some are very short, others up to the gateway's limit.
fn request_timeout(sim: &Simulation) -> Duration {
    if sim.is_healed() {
        return sim.ms(2_000..=3_000);
    }
    let mut rng = sim.rng();
    match rng.in_range(0..=9) {
        0 => rng.ms(500..=700),
        1..=4 => rng.ms(600..=3_000),
        5..=8 => rng.ms(3_000..=10_000),
        _ => Duration::from_secs(30),
    }
}

fn disconnect_delay(sim: &Simulation) -> Duration {
    let mut rng = sim.rng();
    match rng.in_range(0..=2) {
        0 => rng.ms(0..=4),
        1 => rng.ms(0..=40),
        _ => rng.ms(0..=3_000),
    }
}

/// An order whose outcome was PAID reads as PAID at every instance.
async fn read_back(sim: &Arc<Simulation>, intent: &OrderIntent, order: OrderId) {
    let Some((application, process)) = running_instance(sim) else { return };
    let read = tokio::select! {
        biased;
        () = process.ended() => return,
        read = application.get_order(order, Some(intent.draft.user())) => read,
    };
    match read {
        Ok(read) if read.status == Status::Paid && read.total == Some(intent.draft.total()) => {}
        Ok(read) => sim.report_violation(format!("the outcome of {order} was PAID, and it reads {read:?}")),
        Err(ReadError::NotFound) => {
            sim.report_violation(format!("the outcome of {order} was PAID, and it is not found"));
        }
        Err(ReadError::Unavailable) => {}
    }
}
