//! Noticing that a database is gone, or back.

use std::time::Duration;

use service_kit::admin::Readiness;
use tokio::{task::JoinHandle, time::timeout};

use crate::{Database, dialect::timed_out, pool::Connector, work::Session};

/// How often the database is asked whether it is there, and how long it may take to say so.
const INTERVAL: Duration = Duration::from_secs(1);
/// A table that every database has.
const ASKED: &str = "SELECT MAX(version) FROM _sqlx_migrations";

impl Database {
    /// Keeps the condition `database` of `readiness` true to whether the database answers, until the database
    /// is closed or the task is aborted.
    pub fn watch(&self, readiness: Readiness) -> JoinHandle<()> {
        let database = self.clone();
        tokio::spawn(async move {
            let mut probe = Probe { connector: database.connector().clone(), session: None };
            let mut answered_before = true;
            loop {
                let answers = probe.ask().await.map_err(|error| error.to_string());
                if database.is_closed() {
                    // By ourselves, so nothing is wrong.
                    return readiness.set("database", false);
                }
                // Once each way: it may stay so for long.
                match &answers {
                    Ok(()) if !answered_before => tracing::info!("the database answers again"),
                    Err(error) if answered_before => tracing::error!(error, "the database does not answer"),
                    _ => {}
                }
                answered_before = answers.is_ok();
                readiness.set("database", answered_before);
                tokio::time::sleep(INTERVAL).await;
            }
        })
    }
}

/// A session of the watch's own, which waits in no queue: that all others are in use is load, and no outage.
struct Probe {
    connector: Connector,
    session: Option<Session>,
}

impl Probe {
    async fn ask(&mut self) -> Result<(), sqlx::Error> {
        // One that does not answer is not asked again.
        let held = self.session.take();
        let asked = timeout(INTERVAL, async {
            let mut session = match held {
                Some(session) => session,
                None => self.connector.connect().await?,
            };
            let query = session.query(ASKED);
            query.fetch_one(session.connection()).await?;
            Ok(session)
        });
        self.session = Some(asked.await.unwrap_or_else(|_| Err(timed_out(INTERVAL)))?);
        Ok(())
    }
}
