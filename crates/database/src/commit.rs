//! The COMMIT, around which tests can inject faults.

use std::future::Future;

use crate::connector::Connector;

/// The fault points before and after a COMMIT or a statement that commits itself.
#[cfg(feature = "fault-injection")]
pub const POINTS: [&str; 2] = [STEP.before, STEP.after];

#[cfg(feature = "fault-injection")]
const STEP: service_kit::fault_injection::Step =
    service_kit::fault_injection::Step { before: "commit.before", after: "commit.after" };

/// Awaits `committing`.
#[cfg(not(feature = "fault-injection"))]
pub(crate) async fn commit<T>(
    _: &Connector,
    committing: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    committing.await
}

/// Awaits `committing`, unless an injected fault loses the connection before or after it.
#[cfg(feature = "fault-injection")]
pub(crate) async fn commit<T>(
    connector: &Connector,
    committing: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    let lost = |fault| Err(sqlx::Error::Io(std::io::Error::other(fault)));
    connector.faults.around(STEP, committing, lost).await
}
