//! The moment of the COMMIT, which tests can make fail.

use std::future::Future;

use crate::pool::Connector;

/// The points right before and right after a COMMIT, or a statement that is its own transaction.
#[cfg(feature = "fault-injection")]
pub const POINTS: [&str; 2] = [STEP.before, STEP.after];

#[cfg(feature = "fault-injection")]
const STEP: service_kit::fault_injection::Step =
    service_kit::fault_injection::Step { before: "commit.before", after: "commit.after" };

/// What `committing` comes to.
#[cfg(not(feature = "fault-injection"))]
pub(crate) async fn commit<T>(
    _: &Connector,
    committing: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    committing.await
}

/// What `committing` comes to, unless a fail-point loses the connection before it or after.
#[cfg(feature = "fault-injection")]
pub(crate) async fn commit<T>(
    connector: &Connector,
    committing: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    let lost = |fault| Err(sqlx::Error::Io(std::io::Error::other(fault)));
    connector.faults.around(STEP, committing, lost).await
}
