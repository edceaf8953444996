//! The statements that a program sends, and how a database would carry them out.

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

/// Where sqlx tells of each statement.
const TARGET: &str = "sqlx::query";
/// What says nothing about the data.
const FRAME: [&str; 6] = ["BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "PRAGMA"];

/// The statements sent by this process since [`capture`].
#[derive(Debug, Clone, Default)]
pub struct Sent(Arc<Mutex<BTreeSet<String>>>);

/// Listens to sqlx from now on, until the process ends.
///
/// # Errors
///
/// Where somebody listens already.
pub fn capture() -> Result<Sent, Failed> {
    let sent = Sent::default();
    tracing::subscriber::set_global_default(sent.clone())?;
    Ok(sent)
}

/// Whether the trial called `name` is all that this process runs. If not, it is run so in another, which must
/// end well: statements are told without a word of who sent them.
///
/// # Errors
///
/// What the other process printed, where it failed.
pub async fn is_alone(name: &str) -> Result<bool, Failed> {
    if std::env::args().any(|argument| argument == name) {
        return Ok(true);
    }
    let ended = output(Command::new(std::env::current_exe()?).args([name, "--exact"])).await?;
    check(ended.status.success(), || texts(&ended).0)?;
    Ok(false)
}

impl Sent {
    /// Compares what was sent, but for what the test itself `asked`, with `file`, which `UPDATE_STATEMENTS=1`
    /// writes anew. The first of `spelled` is how the database that was asked writes the second.
    ///
    /// # Errors
    ///
    /// Names what only one of them has.
    pub fn compare(&self, file: &Path, asked: &[&str], spelled: (&str, &str)) -> Result<(), Failed> {
        let sent = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (here, everywhere) = spelled;
        let mut sent: BTreeSet<String> = sent.iter().map(|text| text.replace(here, everywhere)).collect();
        for statement in asked {
            sent.remove(&folded(statement));
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
            format!("{} is stale (UPDATE_STATEMENTS=1 writes it anew): {differences:#?}", file.display())
        })
    }
}

/// The statements of a file, one a line.
pub fn listed(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.starts_with("--")).map(|line| line.trim_end_matches(';'))
}

impl Subscriber for Sent {
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
        let text = folded(&statement.0);
        if !FRAME.iter().any(|word| text.starts_with(word)) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(text);
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The text of an event: all of it, where the summary has only its first words.
#[derive(Default)]
struct Statement(String);

impl Visit for Statement {
    fn record_str(&mut self, field: &Field, value: &str) {
        let is_all = field.name() == "db.statement" && !value.is_empty();
        if is_all || (field.name() == "summary" && self.0.is_empty()) {
            value.clone_into(&mut self.0);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}

/// On one line, and with one row, or one parameter of a list, where there are several alike.
fn folded(statement: &str) -> String {
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

/// What a database says that it would do.
#[derive(Debug)]
pub enum Plan {
    /// The details of `EXPLAIN QUERY PLAN`, each a line.
    Sqlite(String),
    /// The rows of `EXPLAIN`.
    MariaDb(String),
    /// The lines of `EXPLAIN`.
    Postgres(String),
}

impl Plan {
    /// That of `server` for `statement`, which has no parameters.
    ///
    /// # Errors
    ///
    /// Where the server does not take it.
    pub async fn of(server: &Server, database: &str, statement: &str) -> Result<Self, Failed> {
        let plan = server.execute(database, &format!("EXPLAIN {statement}")).await?;
        Ok(match server.kind() {
            Kind::MariaDb => Self::MariaDb(plan),
            Kind::Postgres => Self::Postgres(plan),
        })
    }

    /// Whether a whole table or index is read, or nobody can tell.
    fn scans(&self) -> bool {
        match self {
            Self::Sqlite(plan) => plan.contains("SCAN"),
            // NULL: this server looked before it planned, and found nothing.
            Self::MariaDb(plan) => plan
                .lines()
                .any(|row| row.split('\t').nth(3).is_some_and(|how| ["ALL", "index", "NULL"].contains(&how))),
            Self::Postgres(plan) => {
                let scans = plan.matches("Index Scan").count() + plan.matches("Index Only Scan").count();
                plan.contains("Seq Scan") || scans > plan.matches("Index Cond").count()
            }
        }
    }

    /// Whether rows are put in order after they were read.
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
    /// One a line.
    pub text: &'static str,
    /// Pieces of statements, each with the text that replaces it. Any other parameter becomes `'1'`.
    pub values: &'static [(&'static str, &'static str)],
    /// What only a statement says whose rows are those of one page, however many are stored: it may sort them.
    pub page: Option<&'static str>,
}

impl Statements {
    /// Every statement is taken; none scans a table, and none sorts more than a page. Each of `planted`, which
    /// do so, must be noticed.
    ///
    /// # Errors
    ///
    /// Names the statements, with their plans.
    pub async fn are_cheap<E>(self, planted: &[&str], explain: E) -> Result<(), Failed>
    where
        E: AsyncFn(String) -> Result<Plan, Failed>,
    {
        for statement in planted {
            let plan = explain((*statement).to_owned()).await?;
            check(plan.scans() || plan.sorts(), || format!("{statement} is not noticed: {plan:?}"))?;
        }
        let mut noticed = Vec::new();
        for statement in listed(self.text) {
            let plan = explain(self.filled(statement)).await?;
            // A row that is written is not looked for, whatever MariaDB calls it.
            let is_insert = statement.starts_with("INSERT") && statement.contains(" VALUES (");
            let is_page = self.page.is_some_and(|mark| statement.contains(mark));
            if !is_insert && (plan.scans() || (plan.sorts() && !is_page)) {
                noticed.push((statement, plan));
            }
        }
        check(noticed.is_empty(), || format!("a scan or a sort: {noticed:#?}"))
    }

    /// Every statement is run, and taken: first those that write into the tables called `parents`, whose rows others
    /// refer to.
    ///
    /// # Errors
    ///
    /// The database's, at the first statement that is not.
    pub async fn are_taken<E>(self, parents: &str, run: E) -> Result<(), Failed>
    where
        E: AsyncFn(String) -> Result<(), Failed>,
    {
        let parent = format!("INSERT INTO {parents} ");
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
