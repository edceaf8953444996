//! Whether a commit that was answered is on disk: what the database says of its own settings.

use service_kit::env::Mode;
use sqlx::Row;

use crate::{Config, OpenError, dialect::Dialect, target::Location, work::Session};

/// A setting under which a commit may be lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) setting: String,
    pub(crate) found: String,
    pub(crate) wanted: &'static str,
}

/// What each database is asked, as rows of a setting and its value; and which values will do. A database that
/// does not know a setting (an engine that only speaks the protocol) has it decided otherwise.
fn demands(dialect: Dialect) -> (&'static str, &'static [(&'static str, &'static [&'static str])]) {
    match dialect {
        Dialect::Sqlite => (
            "SELECT 'journal_mode', journal_mode FROM pragma_journal_mode
             UNION ALL SELECT 'synchronous', CAST(synchronous AS TEXT) FROM pragma_synchronous",
            &[("journal_mode", &["wal"]), ("synchronous", &["2"])],
        ),
        // MariaDB's 3 syncs more often than 1. A binary log that is off need not be synced.
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

/// The settings of this session's database under which a commit may be lost.
pub(crate) async fn findings(session: &mut Session) -> Result<Vec<Finding>, sqlx::Error> {
    let (asked, demanded) = demands(session.dialect);
    let rows = session.query(asked).fetch_all(session.connection()).await?;
    let mut findings = Vec::new();
    for row in rows {
        let (setting, found): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        let accepted = demanded.iter().find(|(name, _)| *name == setting).map(|(_, accepted)| *accepted);
        if let Some(accepted) = accepted.filter(|accepted| !accepted.contains(&found.as_str())) {
            findings.push(Finding { setting, found, wanted: accepted[0] });
        }
    }
    Ok(findings)
}

/// Refuses in production what is not waived, and warns of the rest. A file's settings are ours, and never waived.
pub(crate) fn judge(config: &Config, findings: &[Finding]) -> Result<(), OpenError> {
    let is_waived = |finding: &&Finding| config.waived.iter().any(|waiver| waiver.name() == finding.setting);
    let own_file = matches!(*config.target.0, Location::Sqlite(_));
    if own_file || config.mode == Mode::Production {
        let unwaived = findings.iter().filter(|finding| !is_waived(finding));
        let told = unwaived.map(ToString::to_string).collect::<Vec<_>>().join("; ");
        if !told.is_empty() {
            return Err(OpenError::Settings { target: config.target.clone(), told });
        }
    }
    for finding in findings {
        tracing::warn!(
            database = %config.target,
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
