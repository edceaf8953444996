//! Customers: they ask, wait or leave, and ask again, of whichever instance is up.

use std::{sync::Arc, time::Duration};

use order::{
    application::{Application, ReadError},
    domain::{OrderId, Status},
};
use test_support::order::command_of;
use tokio::time::sleep;

use crate::{
    faults::Fault,
    plan::{Habit, Wish},
    process::Process,
    requests::{Request, Told},
    world::World,
};

/// How often a customer asks while things go wrong, and then, at the most.
const TRIES_IN_CHAOS_MAX: usize = 6;
const TRIES_AT_LAST_MAX: usize = 4;
/// How long a customer waits before asking again.
const PAUSE_MS: std::ops::RangeInclusive<u64> = 50..=3_000;

/// Wishes until there is a final answer, or nothing more is wished.
pub(crate) async fn pursue(world: Arc<World>, wish: Wish) {
    sleep(wish.begins).await;
    let tries = match wish.habit {
        Habit::Once | Habit::Returns => 1,
        Habit::Insists => TRIES_IN_CHAOS_MAX,
    };
    for _ in 0..tries {
        if answered_for_good(&world, &wish).await || world.is_healed() {
            break;
        }
    }
    // Without a key, asking again would be another order.
    if wish.habit == Habit::Once || wish.key.is_none() {
        return;
    }
    world.healed.cancelled().await;
    for _ in 0..TRIES_AT_LAST_MAX {
        let pause = world.ms(PAUSE_MS);
        sleep(pause).await;
        if answered_for_good(&world, &wish).await {
            return;
        }
    }
    world.record().unanswered.push(wish);
}

/// Asks once, of an instance that is up if there is one, and pauses unless that was the end of it.
async fn answered_for_good(world: &Arc<World>, wish: &Wish) -> bool {
    let told = match up(world) {
        Some(instance) => Some(ask(world, wish, instance).await),
        None => None,
    };
    if let Some(Told::Paid(order, _)) = told {
        read_back(world, wish, order).await;
    }
    let again = !told.is_some_and(|told| told.is_final());
    if again && wish.key.is_some() {
        let pause = world.ms(PAUSE_MS);
        sleep(pause).await;
    }
    !again
}

/// An instance that takes requests.
fn up(world: &World) -> Option<(Application, Arc<Process>)> {
    let up: Vec<_> = world.order_hosts.iter().filter_map(|host| host.up()).collect();
    (!up.is_empty()).then(|| up[world.index(up.len())].clone())
}

async fn ask(world: &Arc<World>, wish: &Wish, (application, process): (Application, Arc<Process>)) -> Told {
    let budget = budget(world);
    let patience = world.strikes(Fault::HangUp).then(|| patience(world));
    let request = world.sent(Request {
        user: wish.draft.user(),
        key: wish.key.clone(),
        meaning: wish.draft.fingerprint().clone(),
        total: wish.draft.total(),
        sent: world.now(),
        told: None,
    });
    let (user, key) = (wish.draft.user().get(), wish.key.as_ref().map(|key| key.as_str()));
    let (total, at) = (wish.draft.total(), &process.name);
    world.log(format_args!("request {request}: {at}, {budget:?}, user {user}, {key:?}, {total:?}"));
    let leaves = async {
        match patience {
            Some(patience) => sleep(patience).await,
            None => std::future::pending().await,
        }
    };
    let told = tokio::select! {
        biased;
        () = process.ended() => Told::Lost,
        answer = application.place_order(command_of(wish.draft.user(), wish.draft.items()), wish.key.clone(), budget) => answer.into(),
        () = leaves => Told::HungUp,
    };
    world.told(request, told.clone());
    told
}

/// How long a request may take: now and then hardly anything, else up to what the gateway allows.
fn budget(world: &World) -> Duration {
    if world.is_healed() {
        return world.ms(2_000..=3_000);
    }
    let mut random = world.random();
    match random.within(0..=9) {
        0 => random.ms(500..=700),
        1..=4 => random.ms(600..=3_000),
        5..=8 => random.ms(3_000..=10_000),
        _ => Duration::from_secs(30),
    }
}

/// When a customer leaves who does.
fn patience(world: &World) -> Duration {
    let mut random = world.random();
    match random.within(0..=2) {
        0 => random.ms(0..=4),
        1 => random.ms(0..=40),
        _ => random.ms(0..=3_000),
    }
}

/// What was just told to be paid reads as paid, wherever it is read.
async fn read_back(world: &Arc<World>, wish: &Wish, order: OrderId) {
    let Some((application, process)) = up(world) else { return };
    let read = tokio::select! {
        biased;
        () = process.ended() => return,
        read = application.get_order(order, Some(wish.draft.user())) => read,
    };
    match read {
        Ok(read) if read.status == Status::Paid && read.total == wish.draft.total() => {}
        Ok(read) => world.violated(format!("order {order} was told PAID and reads {read:?}")),
        Err(ReadError::NotFound) => world.violated(format!("order {order} was told PAID and is not found")),
        Err(ReadError::Unavailable) => {}
    }
}
