//! Checks the settings of a database that decide whether acknowledged commits survive a crash.

use service_kit::env::Mode;
use sqlx::Row;

use crate::{Config, Connection, OpenError, database_url::Location, dialect::Dialect};

/// A setting that may lose commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) setting: String,
    pub(crate) found: String,
    pub(crate) wanted: &'static str,
}

/// A query that returns rows of setting and value, and the accepted values of each setting. A setting that
/// the database does not have (another engine with the same protocol) is not checked.
fn requirements(dialect: Dialect) -> (&'static str, &'static [(&'static str, &'static [&'static str])]) {
    match dialect {
        Dialect::Sqlite => (
            "SELECT 'journal_mode', journal_mode FROM pragma_journal_mode
             UNION ALL SELECT 'synchronous', CAST(synchronous AS TEXT) FROM pragma_synchronous",
            &[("journal_mode", &["wal"]), ("synchronous", &["2"])],
        ),
        // MariaDB's flush setting 3 syncs more often than 1. A disabled binary log needs no sync.
        Dialect::MySql => (
            "SELECT 'innodb_flush_log_at_trx_commit', CAST(@@innodb_flush_log_at_trx_commit AS CHAR)
             UNION ALL SELECT 'sync_binlog', CAST(@@sync_binlog AS CHAR) FROM DUAL WHERE @@log_bin = 1",
            &[("innodb_flush_log_at_trx_commit", &["1", "3"]), ("sync_binlog", &["1"])],
        ),
        Dialect::Postgres => (
            "SELECT name::text, setting::text FROM pg_settings
             WHERE name IN ('fsync', 'synchronous_commit', 'full_page_writes')",
            &[
                ("fsync", &["on"]),
                ("synchronous_commit", &["on", "local", "remote_write", "remote_apply"]),
                ("full_page_writes", &["on"]),
            ],
        ),
    }
}

/// Reads the settings and returns those that may lose commits.
pub(crate) async fn findings(connection: &mut Connection) -> Result<Vec<Finding>, sqlx::Error> {
    let (query, required) = requirements(connection.dialect);
    let rows = connection.query(query).fetch_all(connection.executor()).await?;
    let mut findings = Vec::new();
    for row in rows {
        let (setting, found): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        let accepted = required.iter().find(|(name, _)| *name == setting).map(|(_, accepted)| *accepted);
        if let Some(accepted) = accepted.filter(|accepted| !accepted.contains(&found.as_str())) {
            findings.push(Finding { setting, found, wanted: accepted[0] });
        }
    }
    Ok(findings)
}

/// Rejects unwaived findings in production. Rejects all findings of a SQLite file, whose settings this crate
/// sets. Logs a warning for the others.
pub(crate) fn enforce_durability(config: &Config, findings: &[Finding]) -> Result<(), OpenError> {
    let is_waived = |finding: &&Finding| config.waived.iter().any(|waiver| waiver.name() == finding.setting);
    let is_sqlite = matches!(*config.url.0, Location::Sqlite(_));
    if is_sqlite || config.mode == Mode::Production {
        let unwaived = findings.iter().filter(|finding| !is_waived(finding));
        let settings = unwaived.map(ToString::to_string).collect::<Vec<_>>().join("; ");
        if !settings.is_empty() {
            return Err(OpenError::Settings { url: config.url.clone(), settings });
        }
    }
    for finding in findings {
        tracing::warn!(
            database = %config.url,
            "COMMITTED ORDERS AND CHARGES MAY BE LOST when this database crashes or loses power: {finding}"
        );
    }
    Ok(())
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} is {}, and must be {}", self.setting, self.found, self.wanted)
    }
}
