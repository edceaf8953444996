//! Records the SQL statements that a program sends, and checks their query plans.

use std::{
    collections::BTreeSet,
    fmt::{Debug, Write as _},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use libtest_mimic::Failed;
use tokio::process::Command;
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

use crate::{
    check, need, output,
    server::{Kind, Server},
    texts,
};

/// The tracing target of sqlx's statement log.
const TARGET: &str = "sqlx::query";
/// Statements that are not recorded, by their first word.
const IGNORED: [&str; 6] = ["BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "PRAGMA"];

/// The statements sent by this process since [`capture_statements`].
#[derive(Debug, Clone, Default)]
pub struct StatementLog(Arc<Mutex<BTreeSet<String>>>);

/// Records sqlx's statements until the process ends.
///
/// # Errors
///
/// If another global tracing subscriber is installed.
pub fn capture_statements() -> Result<StatementLog, Failed> {
    let log = StatementLog::default();
    tracing::subscriber::set_global_default(log.clone())?;
    Ok(log)
}

/// Runs the trial `name` in a child process, since the statement log records all trials of a process.
/// Returns true in the child, and false in the parent after the child has succeeded.
///
/// # Errors
///
/// If the child fails; the error contains its output.
pub async fn isolate(name: &str) -> Result<bool, Failed> {
    if std::env::args().any(|argument| argument == name) {
        return Ok(true);
    }
    let child = output(Command::new(std::env::current_exe()?).args([name, "--exact"])).await?;
    check(child.status.success(), || texts(&child).0)?;
    Ok(false)
}

impl StatementLog {
    /// Compares the recorded statements with `file`; `UPDATE_STATEMENTS=1` rewrites it. Ignores the
    /// statements of the test itself (`own`), and replaces the first text of `portable` by the second.
    ///
    /// # Errors
    ///
    /// If they differ; the error lists the statements that only one of them has.
    pub fn compare(&self, file: &Path, own: &[&str], portable: (&str, &str)) -> Result<(), Failed> {
        let sent = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (dialect, generic) = portable;
        let mut sent: BTreeSet<String> = sent.iter().map(|text| text.replace(dialect, generic)).collect();
        for statement in own {
            sent.remove(&normalized(statement));
        }
        if need::variable("UPDATE_STATEMENTS") == "1" {
            let mut text =
                "-- What the program sends, each statement once; written by its tests.\n".to_owned();
            for statement in &sent {
                writeln!(text, "{statement};")?;
            }
            std::fs::write(file, text)?;
        }
        let text = std::fs::read_to_string(file)?;
        let written: BTreeSet<String> = listed(&text).map(str::to_owned).collect();
        let differences: Vec<&String> = sent.symmetric_difference(&written).collect();
        check(differences.is_empty(), || {
            format!("{} is stale (UPDATE_STATEMENTS=1 rewrites it): {differences:#?}", file.display())
        })
    }
}

/// The statements of a file with one statement per line.
fn listed(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.starts_with("--")).map(|line| line.trim_end_matches(';'))
}

impl Subscriber for StatementLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == TARGET
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut statement = Statement::default();
        event.record(&mut statement);
        let text = normalized(&statement.0);
        if !IGNORED.iter().any(|word| text.starts_with(word)) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(text);
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The statement of an event: `db.statement`, or `summary` if that is empty (the statement is short).
#[derive(Default)]
struct Statement(String);

impl Visit for Statement {
    fn record_str(&mut self, field: &Field, value: &str) {
        let is_complete = field.name() == "db.statement" && !value.is_empty();
        if is_complete || (field.name() == "summary" && self.0.is_empty()) {
            value.clone_into(&mut self.0);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}

/// The statement on one line, with repeated rows and list parameters reduced to one.
fn normalized(statement: &str) -> String {
    let mut text = statement.split_whitespace().collect::<Vec<_>>().join(" ");
    while text.contains("IN (?, ?") {
        text = text.replace("IN (?, ?", "IN (?");
    }
    let Some((head, rows)) = text.split_once(" VALUES ") else { return text };
    let Some(end) = rows.find(')') else { return text };
    let (row, mut rest) = rows.split_at(end + 1);
    while let Some(more) = rest.strip_prefix(", ").and_then(|rest| rest.strip_prefix(row)) {
        rest = more;
    }
    format!("{head} VALUES {row}{rest}")
}

/// A query plan.
#[derive(Debug)]
pub enum Plan {
    /// The details of `EXPLAIN QUERY PLAN`, one per line.
    Sqlite(String),
    /// The rows of `EXPLAIN`.
    MariaDb(String),
    /// The lines of `EXPLAIN`.
    Postgres(String),
}

impl Plan {
    /// The plan of `server` for `statement`, which has no parameters.
    ///
    /// # Errors
    ///
    /// If the server rejects the statement.
    pub async fn explain(server: &Server, database: &str, statement: &str) -> Result<Self, Failed> {
        let plan = server.execute(database, &format!("EXPLAIN {statement}")).await?;
        Ok(match server.kind() {
            Kind::MariaDb => Self::MariaDb(plan),
            Kind::Postgres => Self::Postgres(plan),
        })
    }

    /// Whether the plan reads a whole table or index, or is inconclusive.
    fn scans(&self) -> bool {
        match self {
            Self::Sqlite(plan) => plan.contains("SCAN"),
            // The access type, in the fourth column. NULL: MariaDB found no matching row while planning.
            Self::MariaDb(plan) => plan.lines().any(|row| {
                row.split('\t').nth(3).is_some_and(|access| ["ALL", "index", "NULL"].contains(&access))
            }),
            Self::Postgres(plan) => {
                let scans = plan.matches("Index Scan").count() + plan.matches("Index Only Scan").count();
                plan.contains("Seq Scan") || scans > plan.matches("Index Cond").count()
            }
        }
    }

    /// Whether the plan sorts rows.
    fn sorts(&self) -> bool {
        match self {
            Self::Sqlite(plan) => plan.contains("TEMP B-TREE"),
            Self::MariaDb(plan) => plan.contains("filesort"),
            Self::Postgres(plan) => plan.contains("Sort  ("),
        }
    }
}

/// A program's statements, and values for their parameters.
#[derive(Debug, Clone, Copy)]
pub struct Statements {
    /// One statement per line.
    pub text: &'static str,
    /// Replacements in statements. Any remaining parameter becomes `'1'`.
    pub values: &'static [(&'static str, &'static str)],
    /// A text contained in the statements that read a bounded page of rows. These may sort.
    pub page: Option<&'static str>,
}

impl Statements {
    /// Checks that no statement scans a table or sorts more than a page, and that each of the `planted`
    /// statements, which do so, is detected.
    ///
    /// # Errors
    ///
    /// Lists the failing statements with their plans.
    pub async fn check_plans<E>(self, planted: &[&str], explain: E) -> Result<(), Failed>
    where
        E: AsyncFn(String) -> Result<Plan, Failed>,
    {
        for statement in planted {
            let plan = explain((*statement).to_owned()).await?;
            check(plan.scans() || plan.sorts(), || format!("not detected: {statement}: {plan:?}"))?;
        }
        let mut expensive = Vec::new();
        for statement in listed(self.text) {
            let plan = explain(self.filled(statement)).await?;
            // MariaDB reports a scan for an INSERT of values.
            let is_insert = statement.starts_with("INSERT") && statement.contains(" VALUES (");
            let is_page = self.page.is_some_and(|mark| statement.contains(mark));
            if !is_insert && (plan.scans() || (plan.sorts() && !is_page)) {
                expensive.push((statement, plan));
            }
        }
        check(expensive.is_empty(), || format!("a scan or a sort: {expensive:#?}"))
    }

    /// Runs every statement, INSERTs into the table `parent` first, since other rows refer to it.
    ///
    /// # Errors
    ///
    /// The error of the first statement that the database rejects.
    pub async fn check_accepted<E>(self, parent: &str, run: E) -> Result<(), Failed>
    where
        E: AsyncFn(String) -> Result<(), Failed>,
    {
        let parent = format!("INSERT INTO {parent} ");
        let mut statements: Vec<&str> = listed(self.text).collect();
        statements.sort_by_key(|statement| !statement.starts_with(&parent));
        for statement in statements {
            run(self.filled(statement)).await?;
        }
        Ok(())
    }

    fn filled(self, statement: &str) -> String {
        let replace = |text: String, (from, to): &(&str, &str)| text.replace(from, to);
        self.values.iter().fold(statement.to_owned(), replace).replace('?', "'1'")
    }
}
