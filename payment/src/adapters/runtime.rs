//! The system clock and time-ordered ids.

use service_kit::ids::{self, IdSequence};

use crate::{
    domain::{BillId, ChangeId, PaymentId},
    ports::{Clock, IdGenerator},
};

/// The clock of the operating system.
#[derive(Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        ids::now_ms()
    }
}

/// Time-ordered ids (`service_kit::ids`).
#[derive(Debug, Default)]
pub struct TimeOrderedIds(IdSequence);

#[allow(clippy::expect_used, reason = "`IdSequence` returns ids above 0")]
impl IdGenerator for TimeOrderedIds {
    fn payment_id(&self) -> PaymentId {
        PaymentId::new(self.0.next_id()).expect("ids are above 0")
    }

    fn bill_id(&self) -> BillId {
        BillId::new(self.0.next_id()).expect("ids are above 0")
    }

    fn change_id(&self) -> ChangeId {
        ChangeId::new(self.0.next_id()).expect("ids are above 0")
    }
}
