//! Noticing that a database is gone, or back.

use std::time::Duration;

use chassis::admin::Readiness;
use tokio::{task::JoinHandle, time::timeout};

use crate::Database;

/// How often the database is asked whether it is there, and how long it may take to say so.
const INTERVAL: Duration = Duration::from_secs(1);

impl Database {
    /// Keeps the condition `database` of `readiness` true to whether the database answers, until the database
    /// is closed or the task is aborted.
    pub fn watch(&self, readiness: Readiness) -> JoinHandle<()> {
        let database = self.clone();
        tokio::spawn(async move {
            let mut answered_before = true;
            loop {
                let answers = match timeout(INTERVAL, database.ping()).await {
                    Ok(Ok(())) => Ok(()),
                    Ok(Err(error)) => Err(error.to_string()),
                    Err(_) => Err(format!("no answer within {INTERVAL:?}")),
                };
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
