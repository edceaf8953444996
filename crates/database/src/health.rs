//! Health check of the database for readiness.

use std::time::Duration;

use service_kit::admin::Readiness;
use tokio::{task::JoinHandle, time::timeout};

use crate::{Connection, Database, dialect::timed_out, pool::Connector};

/// Interval of the health check, and the time limit of one check.
const INTERVAL: Duration = Duration::from_secs(1);
/// Reads a table that every database has.
const HEALTH_QUERY: &str = "SELECT MAX(version) FROM _sqlx_migrations";

impl Database {
    /// Spawns a task that queries the database every second and sets the condition `database` of `readiness`.
    /// The task ends when the database is closed.
    pub fn spawn_health_check(&self, readiness: Readiness) -> JoinHandle<()> {
        let database = self.clone();
        tokio::spawn(async move {
            let mut probe = Probe { connector: database.connector().clone(), connection: None };
            let mut was_healthy = true;
            loop {
                let healthy = probe.check().await.map_err(|error| error.to_string());
                if database.is_closed() {
                    // This process closed it: not an outage.
                    return readiness.set("database", false);
                }
                // Logs transitions only.
                match &healthy {
                    Ok(()) if !was_healthy => tracing::info!("database available again"),
                    Err(error) if was_healthy => tracing::error!(error, "database unavailable"),
                    _ => {}
                }
                was_healthy = healthy.is_ok();
                readiness.set("database", was_healthy);
                tokio::time::sleep(INTERVAL).await;
            }
        })
    }
}

/// The health check's own connection. It does not wait for the pool: a pool without idle connections is load,
/// not an outage.
struct Probe {
    connector: Connector,
    connection: Option<Connection>,
}

impl Probe {
    async fn check(&mut self) -> Result<(), sqlx::Error> {
        // A connection that fails is not reused.
        let open = self.connection.take();
        let checked = timeout(INTERVAL, async {
            let mut connection = match open {
                Some(connection) => connection,
                None => self.connector.connect().await?,
            };
            let query = connection.query(HEALTH_QUERY);
            query.fetch_one(connection.executor()).await?;
            Ok(connection)
        });
        self.connection = Some(checked.await.unwrap_or_else(|_| Err(timed_out(INTERVAL)))?);
        Ok(())
    }
}
