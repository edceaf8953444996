//! INSERTs that fail or are in doubt: NOT_STARTED is never returned for an order that may have been saved.

use order::{
    application::{PlaceError, Placed},
    domain::{Attempts, ChargeOutcome, Order, Status},
    ports::{InsertOutcome, Orders},
};

use super::{Fixture, TIME_LEFT, is_not_started, ms, unknown};
use test_support::order::{Charge, StoreCall, StoreFault, always, id, items, key, order, order_of, user};

impl Fixture {
    /// A fixture in which the first generated id belongs to an order of another user.
    async fn with_conflicting_id() -> Self {
        let fixture = Self::new();
        let other = order(id(900), user(2), key("k"));
        assert_eq!(fixture.store.inner.insert(&other, always()).await, Ok(InsertOutcome::Inserted));
        fixture.ids.next([id(900)]);
        fixture
    }

    /// The orders of user 1.
    fn own_orders(&self) -> Vec<(i64, Status)> {
        let orders = self.store.inner.all();
        let own = orders.iter().filter(|order| order.user == user(1));
        own.map(|order| (order.id.get(), order.status)).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn unreachable_store_starts_nothing() {
    let fixture = Fixture::new();
    fixture.store.next(StoreCall::Insert, [StoreFault::NotStarted]);
    let result = fixture.place().await;
    assert!(is_not_started(&result), "{result:?}");
    fixture.drained().await;
    assert_eq!(fixture.own_orders(), []);
    assert_eq!(fixture.payments.calls(), []);
}

#[tokio::test(start_paused = true)]
async fn in_doubt_insert_that_was_committed_is_found_and_charged() {
    let fixture = Fixture::new();
    fixture.store.next(StoreCall::Insert, [StoreFault::ResponseLost]);
    let placed = fixture.place().await.unwrap();
    assert_eq!((placed.order.id, placed.replayed), (id(1), false));
    assert_eq!(fixture.own_orders(), [(1, Status::Paid)]);
    assert_eq!(fixture.charged(), [id(1)]);
}

#[tokio::test(start_paused = true)]
async fn in_doubt_insert_that_was_not_committed_is_repeated_with_the_same_id() {
    let fixture = Fixture::new();
    fixture.store.next(StoreCall::Insert, [StoreFault::RequestLost, StoreFault::RequestLost]);
    assert_eq!(fixture.place().await.unwrap().order.id, id(1));
    assert_eq!(fixture.own_orders(), [(1, Status::Paid)]);
    assert_eq!(fixture.charged(), [id(1)]);
}

#[tokio::test(start_paused = true)]
async fn in_doubt_insert_is_repeated_while_the_store_fails() {
    for fault in [StoreFault::RequestLost, StoreFault::NotStarted] {
        for call in [StoreCall::Insert, StoreCall::FindByKey] {
            let fixture = Fixture::new();
            fixture.store.next(StoreCall::Insert, [StoreFault::RequestLost]);
            fixture.store.next(call, [fault; 5]);
            assert_eq!(fixture.place().await.unwrap().order.id, id(1), "{call:?} {fault:?}");
            assert_eq!(fixture.own_orders(), [(1, Status::Paid)]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn outcome_unknown_has_the_id_of_the_first_of_several_inserts() {
    // The first INSERT is committed after the response.
    let fixture = Fixture::new();
    fixture.store.next(StoreCall::Insert, [StoreFault::RequestLost; 2]);
    fixture.store.next(StoreCall::Insert, [StoreFault::NotStarted; 1_000]);
    assert_eq!(fixture.place().await, unknown(1));
    fixture.drained().await;
    assert!(fixture.store.faults_left(StoreCall::Insert) > 900, "repeated without pauses");
}

#[tokio::test(start_paused = true)]
async fn in_doubt_insert_whose_id_has_another_order_gets_a_new_id() {
    // The INSERT without a response can no longer be committed.
    for then in [StoreFault::None, StoreFault::NotStarted] {
        let fixture = Fixture::with_conflicting_id().await;
        fixture.store.next(StoreCall::Insert, [StoreFault::RequestLost, StoreFault::None, then]);
        let result = fixture.place().await;
        match then {
            StoreFault::None => assert_eq!(result.unwrap().order.id, id(1)),
            _ => assert!(is_not_started(&result), "{result:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn in_doubt_insert_that_is_committed_late_is_found() {
    let fixture = Fixture::new();
    fixture.store.next(StoreCall::Insert, [StoreFault::RequestLost, StoreFault::Slow(ms(1_000))]);
    let placing = fixture.spawn_place(TIME_LEFT);
    tokio::time::sleep(ms(500)).await;
    let first = order(id(1), user(1), key("k"));
    assert_eq!(fixture.store.inner.insert(&first, always()).await, Ok(InsertOutcome::Inserted));
    let placed = placing.await.unwrap().unwrap();
    assert_eq!((placed.order.id, placed.replayed), (id(1), false));
    assert_eq!(fixture.own_orders(), [(1, Status::Paid)]);
}

#[tokio::test(start_paused = true)]
async fn in_doubt_insert_that_cannot_be_read_is_outcome_unknown() {
    let fixture = Fixture::new();
    fixture.store.next(StoreCall::Insert, [StoreFault::ResponseLost]);
    fixture.store.next(StoreCall::FindByKey, [StoreFault::RequestLost; 1_000]);
    assert_eq!(fixture.place().await, unknown(1));
    assert_eq!(fixture.own_orders(), [(1, Status::Pending)]);
    assert_eq!(fixture.payments.calls(), []);
}

#[tokio::test(start_paused = true)]
async fn in_doubt_insert_does_not_adopt_a_raised_fence() {
    let fixture = Fixture::new();
    fixture.store.next(StoreCall::Insert, [StoreFault::ResponseLost]);
    fixture.store.next(StoreCall::FindByKey, [StoreFault::Slow(ms(3_000))]);
    fixture.payments.next([Charge::Ends(ChargeOutcome::NeverRan)]);
    let placing = fixture.spawn_place(TIME_LEFT);
    tokio::time::sleep(ms(2_000)).await;
    // A reconciler claims the order to charge it.
    assert_eq!(fixture.store.inner.claim(fixture.only().fencing_token(), TIME_LEFT).await, Ok(true));
    assert_eq!(placing.await.unwrap(), unknown(1));
    assert_eq!(fixture.own_orders(), [(1, Status::Pending)]);
}

impl Fixture {
    /// Places an order whose INSERT is lost. Another instance, which has generated the same id for the same
    /// key, inserts `other` before the order is read.
    async fn place_against(&self, other: Order) -> Result<Placed, PlaceError> {
        self.store.next(StoreCall::Insert, [StoreFault::RequestLost]);
        self.store.next(StoreCall::FindByKey, [StoreFault::Slow(ms(1_000))]);
        let placing = self.spawn_place(TIME_LEFT);
        tokio::time::sleep(ms(500)).await;
        assert_eq!(self.store.inner.insert(&other, always()).await, Ok(InsertOutcome::Inserted));
        placing.await.unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn row_with_another_fingerprint_is_not_the_in_doubt_insert() {
    let fixture = Fixture::new();
    let other = order_of(id(1), user(1), key("k"), &items(1, 13));
    assert_eq!(fixture.place_against(other).await, Err(PlaceError::KeyReused { order: id(1) }));
    assert_eq!((fixture.own_orders(), fixture.payments.calls()), (vec![(1, Status::Pending)], vec![]));
}

#[tokio::test(start_paused = true)]
async fn in_doubt_insert_is_charged_as_a_shared_attempt() {
    let fixture = Fixture::new();
    fixture.payments.next([Charge::Ends(ChargeOutcome::NeverRan)]);
    assert_eq!(fixture.place_against(order(id(1), user(1), key("k"))).await, unknown(1));
    assert_eq!(fixture.own_orders(), [(1, Status::Pending)]);
}

#[tokio::test(start_paused = true)]
async fn in_doubt_insert_is_charged_only_after_a_claim() {
    // Found by the simulation, seed 1196: the one attempt of the other instance never ran.
    let other = order(id(1), user(1), key("k"));
    let not_charged = ChargeOutcome::NeverRan.settlement(Attempts::Exclusive).unwrap();

    // The other instance learns that its attempt never ran while the charge of this one is in flight; its
    // fence is too low to record it.
    let fixture = Fixture::new();
    let charging = fixture.payments.hold(ChargeOutcome::Charged);
    let placing = fixture.place_against(other.clone());
    let meanwhile = async {
        fixture.payments.called(1).await;
        assert_eq!(fixture.store.inner.settle(other.fencing_token(), &not_charged).await, Ok(false));
        charging.add_permits(1);
    };
    let (placed, ()) = tokio::join!(placing, meanwhile);
    assert_eq!(placed.unwrap().order, fixture.only());
    assert_eq!(fixture.own_orders(), [(1, Status::Paid)]);

    // The other instance has recorded it before the claim: this is a retry.
    let fixture = Fixture::new();
    fixture.store.next(StoreCall::Claim, [StoreFault::Slow(ms(1_000))]);
    let placing = fixture.place_against(other.clone());
    let meanwhile = async {
        tokio::time::sleep(ms(1_500)).await;
        assert_eq!(fixture.store.inner.settle(other.fencing_token(), &not_charged).await, Ok(true));
    };
    let (placed, ()) = tokio::join!(placing, meanwhile);
    assert_eq!(placed.unwrap().order, fixture.only());
    assert_eq!((fixture.own_orders(), fixture.charged()), (vec![(1, Status::Paid)], vec![id(1)]));
}

#[tokio::test(start_paused = true)]
async fn in_doubt_insert_that_cannot_be_claimed_is_left_to_the_reconciler() {
    for fault in [StoreFault::NotStarted, StoreFault::RequestLost, StoreFault::ResponseLost] {
        let fixture = Fixture::new();
        fixture.store.next(StoreCall::Insert, [StoreFault::ResponseLost]);
        fixture.store.next(StoreCall::Claim, [fault]);
        assert_eq!(fixture.place().await, unknown(1));
        fixture.drained().await;
        assert_eq!((fixture.own_orders(), fixture.payments.calls()), (vec![(1, Status::Pending)], vec![]));
    }
}

#[tokio::test(start_paused = true)]
async fn in_doubt_insert_that_the_reconciler_settles_is_no_replay() {
    let fixture = Fixture::new();
    fixture.store.next(StoreCall::Insert, [StoreFault::ResponseLost]);
    fixture.store.next(StoreCall::Claim, [StoreFault::ResponseLost]);
    let placing = fixture.spawn_place(TIME_LEFT);
    tokio::time::sleep(ms(2_000)).await;
    let paid = ChargeOutcome::Charged.settlement(Attempts::Shared).unwrap();
    assert_eq!(fixture.store.inner.settle(fixture.only().fencing_token(), &paid).await, Ok(true));
    let placed = placing.await.unwrap().unwrap();
    assert_eq!((&placed.order, placed.replayed), (&fixture.only(), false));
}

#[tokio::test(start_paused = true)]
async fn outcome_unknown_has_the_id_that_may_have_been_saved() {
    let fixture = Fixture::new();
    fixture.store.next(StoreCall::Insert, [StoreFault::RequestLost]);
    fixture.store.next(StoreCall::Insert, [StoreFault::NotStarted; 1_000]);
    assert_eq!(fixture.place().await, unknown(1));
}

#[tokio::test(start_paused = true)]
async fn inserts_without_responses_end_after_a_bound() {
    let fixture = Fixture::new();
    fixture.store.next(StoreCall::Insert, [StoreFault::RequestLost; 100]);
    let result = fixture.place().await;
    assert!(matches!(result, Err(PlaceError::OutcomeUnknown { .. })), "{result:?}");
    fixture.drained().await;
    assert_eq!((fixture.own_orders(), fixture.payments.calls()), (vec![], vec![]));
}

#[tokio::test(start_paused = true)]
async fn conflicting_id_is_replaced() {
    let fixture = Fixture::with_conflicting_id().await;
    assert_eq!(fixture.place().await.unwrap().order.id, id(1));
    assert_eq!(fixture.own_orders(), [(1, Status::Paid)]);
    assert_eq!(fixture.charged(), [id(1)]);
}

#[tokio::test(start_paused = true)]
async fn failure_after_a_conflict_is_not_started() {
    for op in [StoreCall::Insert, StoreCall::FindByKey] {
        for fault in [StoreFault::NotStarted, StoreFault::RequestLost] {
            let fixture = Fixture::with_conflicting_id().await;
            match op {
                StoreCall::Insert => fixture.store.next(op, [StoreFault::None, StoreFault::NotStarted]),
                op => fixture.store.next(op, [fault]),
            }
            let result = fixture.place().await;
            assert!(is_not_started(&result), "{result:?}");
            fixture.drained().await;
            assert_eq!((fixture.own_orders(), fixture.payments.calls()), (vec![], vec![]));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn conflicting_ids_end_after_a_bound() {
    let fixture = Fixture::with_conflicting_id().await;
    fixture.ids.next([id(900); 100]);
    let result = fixture.place().await;
    assert!(is_not_started(&result), "{result:?}");
    assert_eq!(fixture.own_orders(), []);
}

#[tokio::test(start_paused = true)]
async fn row_of_another_instance_with_the_same_id_and_key_is_a_replay() {
    // Two instances have generated one id for one key, and the other has inserted first.
    let fixture = Fixture::new();
    let earlier = order(id(1), user(1), key("k"));
    assert_eq!(fixture.store.inner.insert(&earlier, always()).await, Ok(InsertOutcome::Inserted));
    assert_eq!(fixture.place().await, Err(PlaceError::InProgress { order: id(1) }));
    assert_eq!((fixture.only(), fixture.payments.calls()), (earlier, vec![]));
}
