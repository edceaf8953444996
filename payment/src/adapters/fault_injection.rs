//! A ledger with injected faults, for tests that start processes (feature `fault-injection`).

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

/// Reads `FAULT_INJECTION` into `database`.
pub(crate) fn read(reader: &mut Reader<'_>, database: Option<database::Config>) -> Option<database::Config> {
    let own = [CHARGE.before, CHARGE.after, VOID.before, VOID.after];
    let points: Vec<&str> = own.into_iter().chain(database::POINTS).collect();
    let faults = FaultRules::read(reader, &points);
    database.map(|database| database::Config { faults, ..database })
}

/// Wraps the ledger so that `faults` apply to it; returns it unchanged if there are none.
pub(crate) fn around(ledger: Arc<dyn Ledger>, faults: &FaultRules) -> Arc<dyn Ledger> {
    if faults.is_empty() {
        return ledger;
    }
    Arc::new(FaultyLedger { inner: ledger, faults: faults.clone() })
}

/// The error of an injected fault.
fn failed(fault: Fault) -> Result<Payment, LedgerError> {
    Err(match fault {
        Fault::Refused => LedgerError::NotStarted,
        Fault::NoResponse | Fault::Twice(_) => LedgerError::Unknown,
    })
}

struct FaultyLedger {
    inner: Arc<dyn Ledger>,
    faults: FaultRules,
}

#[async_trait]
impl Ledger for FaultyLedger {
    async fn record_charge(&self, charge: &NewCharge) -> Result<Payment, LedgerError> {
        self.faults.around(CHARGE, self.inner.record_charge(charge), failed).await
    }

    async fn record_void(&self, void: &NewVoid) -> Result<Payment, LedgerError> {
        self.faults.around(VOID, self.inner.record_void(void), failed).await
    }

    async fn find(&self, order: OrderId) -> Result<Option<Payment>, LedgerError> {
        self.inner.find(order).await
    }
}
