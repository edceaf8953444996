//! Time and ids, from the process itself.

use service_kit::ids::{self, IdSequence};

use crate::{
    domain::{BillId, ChangeId, PaymentId},
    ports::{Clock, IdGenerator},
};

/// The system's clock.
#[derive(Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        ids::now_ms()
    }
}

/// Time-ordered ids.
#[derive(Debug, Default)]
pub struct TimeOrderedIds(IdSequence);

#[allow(clippy::expect_used, reason = "a minted id is above 0 by the minter's contract")]
impl IdGenerator for TimeOrderedIds {
    fn payment_id(&self) -> PaymentId {
        PaymentId::new(self.0.next_id()).expect("minted ids are above 0")
    }

    fn bill_id(&self) -> BillId {
        BillId::new(self.0.next_id()).expect("minted ids are above 0")
    }

    fn change_id(&self) -> ChangeId {
        ChangeId::new(self.0.next_id()).expect("minted ids are above 0")
    }
}
