//! A client that disconnects at any moment: the saga runs to its end.

use order::domain::{ChargeOutcome, Status};

use super::{Fixture, TIME_LEFT, ms};
use test_support::order::{Charge, StoreCall, StoreFault, id};

/// A fixture in which saving, charging and settling take 100 ms each.
fn slow() -> Fixture {
    let fixture = Fixture::new();
    fixture.store.next(StoreCall::Insert, [StoreFault::Slow(ms(100))]);
    fixture.payments.next([Charge::EndsAfter(ms(100), ChargeOutcome::Charged)]);
    fixture.store.next(StoreCall::Settle, [StoreFault::Slow(ms(100))]);
    fixture
}

#[tokio::test(start_paused = true)]
async fn saga_completes_whenever_the_client_disconnects() {
    for disconnect_after in (1..400).step_by(10) {
        let fixture = slow();
        let client = fixture.spawn_place(TIME_LEFT);
        tokio::time::sleep(ms(disconnect_after)).await;
        client.abort();
        let has_response = client.await.is_ok();
        assert_eq!(has_response, disconnect_after > 300);
        fixture.drained().await;
        assert_eq!(fixture.only_status(), (id(1), Status::Paid), "disconnected after {disconnect_after} ms");
        assert_eq!(fixture.payments.calls().len(), 1);
        assert_eq!(fixture.charged(), [id(1)]);
    }
}

#[tokio::test(start_paused = true)]
async fn retried_charge_completes_when_the_client_disconnects() {
    let (fixture, _) = Fixture::with_earlier(Status::NotCharged).await;
    fixture.payments.next([Charge::EndsAfter(ms(100), ChargeOutcome::Charged)]);
    let client = fixture.spawn_place(TIME_LEFT);
    fixture.payments.called(1).await;
    client.abort();
    fixture.drained().await;
    assert_eq!(fixture.only_status(), (id(1), Status::Paid));
}
