//! Settling what drivers left PENDING, over fakes and in paused time.

use std::{sync::Arc, time::Duration};

use order::{
    application::{CONCURRENCY_MAX, MISMATCH_RECHECK_MAX, RECHARGE_MAX, RECHECK_MAX, VOID_AFTER},
    domain::{ChargeOutcome, Order, OrderId, Status, VoidOutcome},
    ports::{FIRST_CHECK, Orders},
};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

use crate::{
    fake::{Alarm, Charge, Fault, Op},
    placing::World,
    samples::{always, decline, id, key, order, user},
};

impl World {
    /// Settles what is due, until the test ends.
    fn reconcile(&self) -> JoinHandle<()> {
        let application = self.application.clone();
        tokio::spawn(async move { application.reconcile().await })
    }

    /// So many PENDING orders, with the ids from 1 on.
    async fn with_orphans(count: i64) -> Self {
        let world = Self::new();
        for n in 1..=count {
            let orphan = order(id(n), user(n), key("k"));
            world.store.kept.insert(&orphan, always()).await.unwrap();
        }
        world
    }

    fn with_status(&self, status: Status) -> Vec<OrderId> {
        let all = self.store.kept.all().into_iter();
        all.filter(|order| order.status == status).map(|order| order.id).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn an_orphan_becomes_what_payment_answers() {
    for (outcome, status) in [
        (ChargeOutcome::Charged, Status::Paid),
        (ChargeOutcome::Declined(decline()), Status::Declined),
        (ChargeOutcome::Voided, Status::Voided),
    ] {
        let (world, orphan) = World::with_earlier(Status::Pending).await;
        world.payments.next([Charge::Ends(outcome)]);
        world.reconcile();
        sleep(FIRST_CHECK + Duration::from_secs(1)).await;
        let settled = Order {
            status,
            decline: (status == Status::Declined).then(decline),
            fence: orphan.fence + 1,
            attempts: orphan.attempts + 1,
            ..orphan
        };
        assert_eq!(world.only(), settled);
        assert_eq!(world.payments.calls()[0].time_left, RECHARGE_MAX);
        assert_eq!((world.payments.calls().len(), world.monitor.alarms()), (1, vec![]));
    }
}

#[tokio::test(start_paused = true)]
async fn an_order_is_left_to_its_driver_at_first() {
    let (world, _) = World::with_earlier(Status::Pending).await;
    world.reconcile();
    sleep(FIRST_CHECK - Duration::from_millis(1)).await;
    assert_eq!(world.payments.calls(), []);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_pending_is_never_charged_again() {
    for status in [Status::NotCharged, Status::Paid, Status::Declined, Status::Voided] {
        let (world, earlier) = World::with_earlier(Status::Pending).await;
        let settlement =
            order::domain::Settlement { status, decline: None, guard: order::domain::Guard::Pending };
        world.store.kept.settle(earlier.hold(), &settlement).await.unwrap();
        world.reconcile();
        sleep(VOID_AFTER * 2).await;
        assert_eq!((world.payments.calls(), world.payments.voids()), (vec![], vec![]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_never_ran_makes_no_orphan_not_charged() {
    // Its first driver's call may have run.
    let (world, _) = World::with_earlier(Status::Pending).await;
    world.payments.next(vec![Charge::Ends(ChargeOutcome::NeverRan); 5]);
    world.reconcile();
    sleep(FIRST_CHECK + RECHECK_MAX * 3).await;
    assert_eq!(world.only_status(), (id(1), Status::Pending));
    sleep(RECHECK_MAX * 5).await;
    assert_eq!(world.only_status(), (id(1), Status::Paid));
    assert_eq!(world.payments.calls().len(), 6);
}

#[tokio::test(start_paused = true)]
async fn an_order_that_is_pending_for_a_quarter_of_an_hour_is_given_up() {
    let (world, _) = World::with_earlier(Status::Pending).await;
    world.payments.next(vec![Charge::Ends(ChargeOutcome::Unknown); 10_000]);
    world.reconcile();
    sleep(Duration::from_secs(15 * 60 - 1)).await;
    assert_eq!((world.only().status, world.payments.voids()), (Status::Pending, vec![]));
    sleep(RECHECK_MAX * 2).await;
    assert_eq!((world.only().status, world.payments.voids()), (Status::Voided, vec![id(1)]));
}

#[tokio::test(start_paused = true)]
async fn an_order_that_was_charged_all_the_same_is_not_given_up() {
    let (world, _) = World::with_earlier(Status::Pending).await;
    sleep(VOID_AFTER).await;
    world.payments.next_voids([VoidOutcome::Unknown, VoidOutcome::Answered]);
    world.reconcile();
    sleep(RECHECK_MAX * 2).await;
    assert_eq!(world.payments.voids(), [id(1), id(1)]);
    assert_eq!((world.only().status, world.payments.calls().len()), (Status::Paid, 1));
}

#[tokio::test(start_paused = true)]
async fn a_mismatch_stays_for_a_human_and_is_not_asked_about_all_the_time() {
    let (world, _) = World::with_earlier(Status::Pending).await;
    world.payments.next(vec![Charge::Ends(ChargeOutcome::Mismatch); 100]);
    world.reconcile();
    sleep(FIRST_CHECK + MISMATCH_RECHECK_MAX - Duration::from_secs(1)).await;
    assert_eq!((world.only().status, world.payments.calls().len()), (Status::Pending, 1));
    assert_eq!(world.monitor.alarms(), [Alarm::Mismatch(id(1))]);
    sleep(MISMATCH_RECHECK_MAX).await;
    assert_eq!((world.only().status, world.payments.calls().len()), (Status::Pending, 2));
}

#[tokio::test(start_paused = true)]
async fn a_payment_that_is_down_is_probed_by_one_order_at_a_time() {
    let world = World::with_orphans(1000).await;
    world.payments.next(vec![Charge::Ends(ChargeOutcome::NeverRan); 100_000]);
    world.reconcile();
    sleep(FIRST_CHECK + Duration::from_secs(60)).await;
    let calls = world.payments.calls().len();
    assert!((CONCURRENCY_MAX..CONCURRENCY_MAX + 100).contains(&calls), "{calls} calls");
    assert_eq!(world.with_status(Status::Pending).len(), 1000);
}

#[tokio::test(start_paused = true)]
async fn once_payment_answers_each_answer_doubles_how_many_are_worked_on() {
    let world = World::with_orphans(100).await;
    let down = vec![Charge::Ends(ChargeOutcome::NeverRan); CONCURRENCY_MAX];
    world.payments.next(down.into_iter().chain([Charge::Ends(ChargeOutcome::Charged)]));
    let gates: Vec<_> = (0..100).map(|_| world.payments.hold(ChargeOutcome::Charged)).collect();
    world.reconcile();
    // One answers, while the others are under way: of twice as many, so many more are begun.
    let mut called = CONCURRENCY_MAX + 1;
    for (begun, gate) in [2, 3, 5].into_iter().zip(&gates) {
        called += begun;
        world.payments.called(called).await;
        sleep(Duration::from_millis(10)).await;
        assert_eq!(world.payments.calls().len(), called);
        gate.add_permits(1);
    }
}

#[tokio::test(start_paused = true)]
async fn more_orphans_than_are_read_at_once_are_read_without_a_pause() {
    let world = World::with_orphans(1000).await;
    world.reconcile();
    // Where less is due, the store is asked every half second.
    sleep(FIRST_CHECK + Duration::from_millis(500)).await;
    assert_eq!(world.with_status(Status::Paid).len(), 1000);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_orphans_are_settled_within_seconds_of_payments_return() {
    let world = World::with_orphans(1000).await;
    let one = Duration::from_millis(20);
    let down = vec![Charge::Ends(ChargeOutcome::NeverRan); 50];
    let back = vec![Charge::EndsAfter(one, ChargeOutcome::Charged); 1000];
    world.payments.next(down.into_iter().chain(back));
    world.reconcile();
    world.payments.called(51).await;
    let since_return = Instant::now();
    while !world.with_status(Status::Pending).is_empty() {
        sleep(Duration::from_millis(10)).await;
        assert!(since_return.elapsed() < Duration::from_secs(5));
    }
    assert_eq!(world.with_status(Status::Paid).len(), 1000);
}

#[tokio::test(start_paused = true)]
async fn no_more_than_so_many_are_worked_on_at_once() {
    let world = World::with_orphans(100).await;
    let gates: Vec<_> = (0..100).map(|_| world.payments.hold(ChargeOutcome::Charged)).collect();
    world.reconcile();
    world.payments.called(CONCURRENCY_MAX).await;
    sleep(RECHARGE_MAX / 2).await;
    assert_eq!(world.payments.calls().len(), CONCURRENCY_MAX);
    gates[0].add_permits(1);
    sleep(Duration::from_millis(100)).await;
    assert_eq!(world.payments.calls().len(), CONCURRENCY_MAX + 1);
}

#[tokio::test(start_paused = true)]
async fn any_number_of_instances_settle_each_orphan_once() {
    let world = World::with_orphans(200).await;
    for _ in 0..3 {
        world.reconcile();
    }
    sleep(FIRST_CHECK + Duration::from_secs(2)).await;
    assert_eq!(world.with_status(Status::Paid).len(), 200);
    let calls = world.payments.calls();
    let distinct: std::collections::BTreeSet<_> = calls.iter().map(|call| call.order).collect();
    assert_eq!((calls.len(), distinct.len()), (200, 200));
    assert!(world.store.kept.all().iter().all(|order| order.fence == 2));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_is_asked_again() {
    let faults = [Fault::NotStarted, Fault::Lost, Fault::AnswerLost];
    for op in [Op::Due, Op::Claim, Op::Settle, Op::Find, Op::Backlog] {
        let (world, _) = World::with_earlier(Status::Pending).await;
        world.store.next(op, faults);
        world.reconcile();
        sleep(FIRST_CHECK + RECHECK_MAX * 5).await;
        assert_eq!(world.only_status(), (id(1), Status::Paid), "{op:?}");
        assert_eq!(world.payments.charged().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_orphan_that_was_claimed_is_taken_up_again_after_a_crash() {
    let (world, _) = World::with_earlier(Status::Pending).await;
    let gate = world.payments.hold(ChargeOutcome::Charged);
    let crashed = world.reconcile();
    world.payments.called(1).await;
    crashed.abort();
    drop(Arc::clone(&gate));
    world.reconcile();
    sleep(RECHECK_MAX + RECHARGE_MAX).await;
    assert_eq!(world.only_status(), (id(1), Status::Paid));
}

#[tokio::test(start_paused = true)]
async fn who_watches_is_told_what_is_pending() {
    let world = World::with_orphans(3).await;
    world.payments.next(vec![Charge::Ends(ChargeOutcome::NeverRan); 100]);
    world.reconcile();
    sleep(Duration::from_secs(11)).await;
    let backlog = world.monitor.last_backlog();
    assert_eq!(backlog.oldest, Duration::from_secs(10));
    assert!(backlog.orphans <= 3);
}
