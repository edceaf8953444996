//! A caller that goes away at any moment: what it began is finished.

use order::domain::{ChargeOutcome, Status};

use super::{BUDGET, World, ms};
use crate::{
    fake::{Charge, Fault, Op},
    samples::id,
};

/// A world in which saving, charging and settling take 100 ms each.
fn slow() -> World {
    let world = World::new();
    world.store.next(Op::Insert, [Fault::Late(ms(100))]);
    world.payments.next([Charge::EndsAfter(ms(100), ChargeOutcome::Charged)]);
    world.store.next(Op::Settle, [Fault::Late(ms(100))]);
    world
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_at_any_time_cuts_nothing() {
    for gone_after in (1..400).step_by(10) {
        let world = slow();
        let caller = world.spawn_place(BUDGET);
        tokio::time::sleep(ms(gone_after)).await;
        caller.abort();
        let answered = caller.await.is_ok();
        assert_eq!(answered, gone_after > 300);
        world.drained().await;
        assert_eq!(world.only_status(), (id(1), Status::Paid), "gone after {gone_after} ms");
        assert_eq!(world.payments.calls().len(), 1);
        assert_eq!(world.charged(), [id(1)]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_while_an_order_is_charged_anew_cuts_nothing() {
    let (world, _) = World::with_earlier(Status::NotCharged).await;
    world.payments.next([Charge::EndsAfter(ms(100), ChargeOutcome::Charged)]);
    let caller = world.spawn_place(BUDGET);
    world.payments.called(1).await;
    caller.abort();
    world.drained().await;
    assert_eq!(world.only_status(), (id(1), Status::Paid));
}
