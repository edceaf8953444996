//! The reconciler over fakes, in paused time.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use order::{
    application::{
        Application, CHARGE_MAX, CLAIM_LEASE_MAX, CONCURRENCY_MAX, Leases, MISMATCH_LEASE_MAX,
        ORDER_TASK_MAX, RECOVERY_CALL_MAX, VOID_AFTER, Waiters,
    },
    domain::{ChargeOutcome, Order, OrderId, Status, VoidOutcome},
    ports::{FIRST_CHECK, Orders, Spawn, Task},
};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

use crate::placing::Fixture;
use test_support::order::{
    Alarm, Charge, StoreCall, StoreFault, always, command, decline, id, key, order, user,
};

/// Tasks that end with their process.
#[derive(Debug, Default)]
struct CrashingTasks(Mutex<Vec<JoinHandle<()>>>);

impl CrashingTasks {
    fn crash(&self) {
        self.0.lock().unwrap().iter().for_each(JoinHandle::abort);
    }
}

impl Spawn for CrashingTasks {
    fn spawn(&self, task: Task) {
        self.0.lock().unwrap().push(tokio::spawn(task));
    }
}

impl Fixture {
    /// Starts a reconciler that runs until the test ends.
    fn reconcile(&self) -> JoinHandle<()> {
        let application = self.application.clone();
        tokio::spawn(async move { application.reconcile().await })
    }

    /// A fixture with so many PENDING orders, with ids from 1 on.
    async fn with_orphans(count: i64) -> Self {
        let fixture = Self::new();
        for n in 1..=count {
            let orphan = order(id(n), user(n), key("k"));
            fixture.store.inner.insert(&orphan, always()).await.unwrap();
        }
        fixture
    }

    /// A fixture, and the application of a second instance on the same store and Payment.
    fn two_instances() -> (Self, Application) {
        let fixture = Self::new();
        let (waiters, leases) = (Waiters::default(), Leases::default());
        let other = Application { waiters, leases, ..fixture.application.clone() };
        (fixture, other)
    }

    fn with_status(&self, status: Status) -> Vec<OrderId> {
        let all = self.store.inner.all().into_iter();
        all.filter(|order| order.status == status).map(|order| order.id).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn orphan_is_settled_by_the_response_of_payment() {
    for (outcome, status) in [
        (ChargeOutcome::Charged, Status::Paid),
        (ChargeOutcome::Declined(decline()), Status::Declined),
        (ChargeOutcome::Voided, Status::Voided),
    ] {
        let (fixture, orphan) = Fixture::with_earlier(Status::Pending).await;
        fixture.payments.next([Charge::Ends(outcome)]);
        fixture.reconcile();
        sleep(FIRST_CHECK + Duration::from_secs(1)).await;
        let settled = Order {
            status,
            decline: (status == Status::Declined).then(decline),
            fence: orphan.fence + 1,
            attempts: orphan.attempts + 1,
            ..orphan
        };
        assert_eq!(fixture.only(), settled);
        assert_eq!(fixture.payments.calls()[0].time_left, RECOVERY_CALL_MAX);
        assert_eq!((fixture.payments.calls().len(), fixture.monitor.alarms()), (1, vec![]));
    }
}

#[tokio::test(start_paused = true)]
async fn order_is_left_to_its_saga_at_first() {
    let (fixture, _) = Fixture::with_earlier(Status::Pending).await;
    fixture.reconcile();
    sleep(FIRST_CHECK - Duration::from_millis(1)).await;
    assert_eq!(fixture.payments.calls(), []);
}

#[tokio::test(start_paused = true)]
async fn only_pending_orders_are_charged_again() {
    for status in [Status::NotCharged, Status::Paid, Status::Declined, Status::Voided] {
        let (fixture, earlier) = Fixture::with_earlier(Status::Pending).await;
        let settlement =
            order::domain::Settlement { status, decline: None, guard: order::domain::Guard::Pending };
        fixture.store.inner.settle(earlier.fencing_token(), &settlement).await.unwrap();
        fixture.reconcile();
        sleep(VOID_AFTER * 2).await;
        assert_eq!((fixture.payments.calls(), fixture.payments.voids()), (vec![], vec![]));
    }
}

#[tokio::test(start_paused = true)]
async fn call_that_never_ran_leaves_the_orphan_pending() {
    // The call of the saga may have run.
    let (fixture, _) = Fixture::with_earlier(Status::Pending).await;
    fixture.payments.next(vec![Charge::Ends(ChargeOutcome::NeverRan); 5]);
    fixture.reconcile();
    sleep(FIRST_CHECK + CLAIM_LEASE_MAX * 3).await;
    assert_eq!(fixture.only_status(), (id(1), Status::Pending));
    sleep(CLAIM_LEASE_MAX * 5).await;
    assert_eq!(fixture.only_status(), (id(1), Status::Paid));
    assert_eq!(fixture.payments.calls().len(), 6);
}

#[tokio::test(start_paused = true)]
async fn order_that_is_pending_for_a_quarter_of_an_hour_is_voided() {
    let (fixture, _) = Fixture::with_earlier(Status::Pending).await;
    fixture.payments.next(vec![Charge::Ends(ChargeOutcome::Unknown); 10_000]);
    fixture.reconcile();
    sleep(Duration::from_secs(15 * 60 - 1)).await;
    assert_eq!((fixture.only().status, fixture.payments.voids()), (Status::Pending, vec![]));
    sleep(CLAIM_LEASE_MAX * 2).await;
    assert_eq!((fixture.only().status, fixture.payments.voids()), (Status::Voided, vec![id(1)]));
}

#[tokio::test(start_paused = true)]
async fn order_that_was_charged_is_not_voided() {
    let (fixture, _) = Fixture::with_earlier(Status::Pending).await;
    sleep(VOID_AFTER).await;
    fixture.payments.next_voids([VoidOutcome::Unknown, VoidOutcome::AlreadyDecided]);
    fixture.reconcile();
    sleep(CLAIM_LEASE_MAX * 2).await;
    assert_eq!(fixture.payments.voids(), [id(1), id(1)]);
    assert_eq!((fixture.only().status, fixture.payments.calls().len()), (Status::Paid, 1));
}

#[tokio::test(start_paused = true)]
async fn mismatch_stays_pending_and_is_rarely_retried() {
    let (fixture, _) = Fixture::with_earlier(Status::Pending).await;
    fixture.payments.next(vec![Charge::Ends(ChargeOutcome::Mismatch); 100]);
    fixture.reconcile();
    sleep(FIRST_CHECK + MISMATCH_LEASE_MAX - Duration::from_secs(1)).await;
    assert_eq!((fixture.only().status, fixture.payments.calls().len()), (Status::Pending, 1));
    assert_eq!(fixture.monitor.alarms(), [Alarm::Mismatch(id(1))]);
    sleep(MISMATCH_LEASE_MAX).await;
    assert_eq!((fixture.only().status, fixture.payments.calls().len()), (Status::Pending, 2));
}

#[tokio::test(start_paused = true)]
async fn unreachable_payment_is_probed_by_one_order_at_a_time() {
    let fixture = Fixture::with_orphans(1000).await;
    fixture.payments.next(vec![Charge::Ends(ChargeOutcome::NeverRan); 100_000]);
    fixture.reconcile();
    sleep(FIRST_CHECK + Duration::from_secs(60)).await;
    let calls = fixture.payments.calls().len();
    assert!((CONCURRENCY_MAX..CONCURRENCY_MAX + 100).contains(&calls), "{calls} calls");
    assert_eq!(fixture.with_status(Status::Pending).len(), 1000);
}

#[tokio::test(start_paused = true)]
async fn each_response_doubles_the_number_of_concurrent_recoveries() {
    let fixture = Fixture::with_orphans(100).await;
    let down = vec![Charge::Ends(ChargeOutcome::NeverRan); CONCURRENCY_MAX];
    fixture.payments.next(down.into_iter().chain([Charge::Ends(ChargeOutcome::Charged)]));
    let charges: Vec<_> = (0..100).map(|_| fixture.payments.hold(ChargeOutcome::Charged)).collect();
    fixture.reconcile();
    // Each response doubles the window, while the other calls are in progress.
    let mut called = CONCURRENCY_MAX + 1;
    for (started, permits) in [2, 3, 5].into_iter().zip(&charges) {
        called += started;
        fixture.payments.called(called).await;
        sleep(Duration::from_millis(10)).await;
        assert_eq!(fixture.payments.calls().len(), called);
        permits.add_permits(1);
    }
}

#[tokio::test(start_paused = true)]
async fn more_orphans_than_a_batch_are_read_without_a_pause() {
    let fixture = Fixture::with_orphans(1000).await;
    fixture.reconcile();
    // With fewer due orders the store is read every half second.
    sleep(FIRST_CHECK + Duration::from_millis(500)).await;
    assert_eq!(fixture.with_status(Status::Paid).len(), 1000);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_orphans_are_settled_within_seconds_of_the_return_of_payment() {
    let fixture = Fixture::with_orphans(1000).await;
    let one = Duration::from_millis(20);
    let down = vec![Charge::Ends(ChargeOutcome::NeverRan); 50];
    let back = vec![Charge::EndsAfter(one, ChargeOutcome::Charged); 1000];
    fixture.payments.next(down.into_iter().chain(back));
    fixture.reconcile();
    fixture.payments.called(51).await;
    let since_return = Instant::now();
    while !fixture.with_status(Status::Pending).is_empty() {
        sleep(Duration::from_millis(10)).await;
        assert!(since_return.elapsed() < Duration::from_secs(5));
    }
    assert_eq!(fixture.with_status(Status::Paid).len(), 1000);
}

#[tokio::test(start_paused = true)]
async fn concurrent_recoveries_are_bounded() {
    let fixture = Fixture::with_orphans(100).await;
    let charges: Vec<_> = (0..100).map(|_| fixture.payments.hold(ChargeOutcome::Charged)).collect();
    fixture.reconcile();
    fixture.payments.called(CONCURRENCY_MAX).await;
    sleep(RECOVERY_CALL_MAX / 2).await;
    assert_eq!(fixture.payments.calls().len(), CONCURRENCY_MAX);
    charges[0].add_permits(1);
    sleep(Duration::from_millis(100)).await;
    assert_eq!(fixture.payments.calls().len(), CONCURRENCY_MAX + 1);
}

#[tokio::test(start_paused = true)]
async fn several_instances_settle_each_orphan_once() {
    let fixture = Fixture::with_orphans(200).await;
    for _ in 0..3 {
        fixture.reconcile();
    }
    sleep(FIRST_CHECK + Duration::from_secs(2)).await;
    assert_eq!(fixture.with_status(Status::Paid).len(), 200);
    let calls = fixture.payments.calls();
    let distinct: std::collections::BTreeSet<_> = calls.iter().map(|call| call.order).collect();
    assert_eq!((calls.len(), distinct.len()), (200, 200));
    assert!(fixture.store.inner.all().iter().all(|order| order.fence == 2));
}

#[tokio::test(start_paused = true)]
async fn order_whose_saga_works_on_it_is_left_alone_by_every_instance() {
    for time_left in [Duration::from_secs(10), ORDER_TASK_MAX] {
        let (fixture, other) = Fixture::two_instances();
        let _no_permits = fixture.payments.hold(ChargeOutcome::Charged);
        let saga = fixture.spawn_place(time_left);
        fixture.reconcile();
        tokio::spawn(async move { other.reconcile().await });
        // The charge ends without a response when the time is over.
        sleep(time_left.min(CHARGE_MAX) - Duration::from_millis(10)).await;
        assert_eq!(fixture.payments.calls().len(), 1);
        assert_eq!(fixture.only().fence, 1);
        sleep(FIRST_CHECK + Duration::from_secs(1)).await;
        assert_eq!((fixture.payments.calls().len(), fixture.only().status), (2, Status::Paid));
        drop(saga);
    }
}

#[tokio::test(start_paused = true)]
async fn recovery_is_left_alone_by_other_instances_until_it_has_settled() {
    let (fixture, other) = Fixture::two_instances();
    let orphan = order(id(1), user(1), key("k"));
    fixture.store.inner.insert(&orphan, always()).await.unwrap();
    // Payment takes as long as a recovery waits for it, and the store takes long to settle.
    let almost = RECOVERY_CALL_MAX - Duration::from_millis(1);
    fixture.payments.next([Charge::EndsAfter(almost, ChargeOutcome::Charged)]);
    fixture.store.next(StoreCall::Settle, [StoreFault::Slow(Duration::from_secs(8))]);
    for application in [fixture.application.clone(), other] {
        tokio::spawn(async move { application.reconcile().await });
    }
    sleep(FIRST_CHECK + Duration::from_secs(15)).await;
    assert_eq!((fixture.payments.calls().len(), fixture.only().status), (1, Status::Paid));
    assert_eq!(fixture.only().fence, 2);
}

#[tokio::test(start_paused = true)]
async fn lease_is_renewed_after_a_renewal_that_failed() {
    for fault in [StoreFault::NotStarted, StoreFault::RequestLost, StoreFault::ResponseLost] {
        let (fixture, other) = Fixture::two_instances();
        let _no_permits = fixture.payments.hold(ChargeOutcome::Charged);
        fixture.store.next(StoreCall::Renew, [fault, StoreFault::None, fault]);
        drop(fixture.spawn_place(Duration::from_secs(10)));
        tokio::spawn(async move { other.reconcile().await });
        sleep(Duration::from_millis(9_900)).await;
        assert_eq!((fixture.payments.calls().len(), fixture.only().fence), (1, 1), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn leases_of_many_sagas_are_renewed_together() {
    let fixture = Fixture::new();
    let no_permits: Vec<_> = (0..200).map(|_| fixture.payments.hold(ChargeOutcome::Charged)).collect();
    for n in 1..=200 {
        let application = fixture.application.clone();
        let command = command(user(n), 12);
        drop(tokio::spawn(
            async move { application.place_order(command, None, Duration::from_secs(10)).await },
        ));
        sleep(Duration::from_millis(5)).await;
    }
    sleep(Duration::from_millis(8_500)).await;
    let renewals = fixture.store.calls(StoreCall::Renew);
    assert!((6..=60).contains(&renewals), "{renewals} renewals");
    assert_eq!(fixture.with_status(Status::Pending).len(), 200);
    assert_eq!(fixture.store.inner.due(1).await, Ok(vec![]));
    drop(no_permits);
}

#[tokio::test(start_paused = true)]
async fn order_is_recovered_soon_after_the_crash_of_a_slow_saga() {
    let (fixture, other) = Fixture::two_instances();
    let _no_permits = fixture.payments.hold(ChargeOutcome::Charged);
    let crashing = Arc::new(CrashingTasks::default());
    let application = Application { tasks: crashing.clone(), ..fixture.application.clone() };
    drop(tokio::spawn(
        async move { application.place_order(command(user(1), 12), None, ORDER_TASK_MAX).await },
    ));
    tokio::spawn(async move { other.reconcile().await });
    sleep(Duration::from_secs(9)).await;
    crashing.crash();
    let crashed_at = Instant::now();
    while fixture.only().status == Status::Pending {
        sleep(Duration::from_millis(10)).await;
    }
    assert!(crashed_at.elapsed() <= FIRST_CHECK + Duration::from_millis(600), "{:?}", crashed_at.elapsed());
}

#[tokio::test(start_paused = true)]
async fn order_in_an_unknown_currency_holds_up_no_other() {
    let fixture = Fixture::new();
    for n in 1..=200 {
        let known = order(id(n), user(n), key("k"));
        // More than one batch, due first.
        let orphan = if n <= 150 { Order { total: None, items: vec![], ..known } } else { known };
        fixture.store.inner.insert(&orphan, always()).await.unwrap();
    }
    fixture.reconcile();
    sleep(FIRST_CHECK + Duration::from_secs(2)).await;
    assert_eq!((fixture.with_status(Status::Paid).len(), fixture.payments.calls().len()), (50, 50));
    // They are read once a minute.
    let reads = fixture.store.calls(StoreCall::Claim);
    sleep(Duration::from_secs(20)).await;
    assert_eq!(fixture.store.calls(StoreCall::Claim), reads);
}

#[tokio::test(start_paused = true)]
async fn failing_store_is_called_again() {
    let faults = [StoreFault::NotStarted, StoreFault::RequestLost, StoreFault::ResponseLost];
    for op in [StoreCall::Due, StoreCall::Claim, StoreCall::Settle, StoreCall::Find, StoreCall::Backlog] {
        let (fixture, _) = Fixture::with_earlier(Status::Pending).await;
        fixture.store.next(op, faults);
        fixture.reconcile();
        sleep(FIRST_CHECK + CLAIM_LEASE_MAX * 5).await;
        assert_eq!(fixture.only_status(), (id(1), Status::Paid), "{op:?}");
        assert_eq!(fixture.payments.charged().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn claimed_orphan_is_recovered_after_a_crash() {
    let (fixture, _) = Fixture::with_earlier(Status::Pending).await;
    let charge = fixture.payments.hold(ChargeOutcome::Charged);
    let crashed = fixture.reconcile();
    fixture.payments.called(1).await;
    crashed.abort();
    drop(Arc::clone(&charge));
    fixture.reconcile();
    sleep(CLAIM_LEASE_MAX + RECOVERY_CALL_MAX).await;
    assert_eq!(fixture.only_status(), (id(1), Status::Paid));
}

#[tokio::test(start_paused = true)]
async fn backlog_is_recorded() {
    let fixture = Fixture::with_orphans(3).await;
    fixture.payments.next(vec![Charge::Ends(ChargeOutcome::NeverRan); 100]);
    fixture.reconcile();
    sleep(Duration::from_secs(11)).await;
    let backlog = fixture.monitor.last_backlog();
    assert_eq!(backlog.oldest, Duration::from_secs(10));
    assert!(backlog.orphans <= 3);
}
