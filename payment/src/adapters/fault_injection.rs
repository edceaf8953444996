//! The ledger, failing on purpose at named points: for tests of processes alone (feature `fault-injection`).

use std::sync::Arc;

use async_trait::async_trait;
use service_kit::{
    env::Reader,
    fault_injection::{Fault, FaultRules, Step},
};

use crate::{
    domain::{OrderId, Payment},
    ports::{Ledger, LedgerError, NewCharge, NewVoid},
};

const CHARGE: Step = Step { before: "ledger.charge.before", after: "ledger.charge.after" };
const VOID: Step = Step { before: "ledger.void.before", after: "ledger.void.after" };

/// `database`, with the points of this service that `FAULT_INJECTION` names.
pub(crate) fn read(reader: &mut Reader<'_>, database: Option<database::Config>) -> Option<database::Config> {
    let own = [CHARGE.before, CHARGE.after, VOID.before, VOID.after];
    let points: Vec<&str> = own.into_iter().chain(database::POINTS).collect();
    let faults = FaultRules::read(reader, &points);
    database.map(|database| database::Config { faults, ..database })
}

/// The ledger with `points` around what it does; the same ledger where nothing is to fail.
pub(crate) fn around(ledger: Arc<dyn Ledger>, points: &FaultRules) -> Arc<dyn Ledger> {
    if points.is_empty() {
        return ledger;
    }
    Arc::new(FaultyLedger { inner: ledger, points: points.clone() })
}

/// What a ledger that fails like this tells.
fn failed(fault: Fault) -> Result<Payment, LedgerError> {
    Err(match fault {
        Fault::Refused => LedgerError::NotStarted,
        Fault::Unanswered | Fault::Twice(_) => LedgerError::Unknown,
    })
}

struct FaultyLedger {
    inner: Arc<dyn Ledger>,
    points: FaultRules,
}

#[async_trait]
impl Ledger for FaultyLedger {
    async fn record_charge(&self, charge: &NewCharge) -> Result<Payment, LedgerError> {
        self.points.around(CHARGE, self.inner.record_charge(charge), failed).await
    }

    async fn record_void(&self, void: &NewVoid) -> Result<Payment, LedgerError> {
        self.points.around(VOID, self.inner.record_void(void), failed).await
    }

    async fn find(&self, order: OrderId) -> Result<Option<Payment>, LedgerError> {
        self.inner.find(order).await
    }
}
