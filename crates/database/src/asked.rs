//! What is told of a piece of work: to the trace that asked for it, and to those who count. Never a parameter, nor the
//! URL of the database.

use std::borrow::Cow;

use service_kit::trace::{Span, SpanKind};
use tokio::time::Instant;

use crate::{
    dialect::Dialect,
    metrics::{Metrics, Operation},
    work::{Summary, Work, WriteError},
};

/// A piece of work from its asking to its answer.
pub(crate) struct Asked<'a> {
    metrics: &'a Metrics,
    span: Span,
    began: Instant,
    system: &'static str,
    summary: Summary,
}

impl<'a> Asked<'a> {
    pub(crate) fn of<W: Work>(dialect: Dialect, metrics: &'a Metrics) -> Self {
        let (system, summary) = (dialect.name(), W::SUMMARY);
        let mut span = Span::start(SpanKind::Client, summary.name(system));
        span.set("db.system.name", system);
        if !summary.operation.is_empty() {
            span.set("db.operation.name", summary.operation);
            span.set("db.collection.name", summary.collection);
        }
        Self { metrics, span, began: Instant::now(), system, summary }
    }

    /// So many pieces of work, this one among them, were committed together.
    pub(crate) fn shared(&mut self, count: usize) {
        self.span.set("db.commit.group_size", i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub(crate) fn written<T>(self, written: &Result<T, WriteError>) {
        let (error_type, error) = match written {
            Ok(_) => ("", None),
            Err(WriteError::Withdrawn) => ("withdrawn", None),
            Err(WriteError::Panicked) => ("panicked", None),
            Err(WriteError::NotStarted(error)) => ("not_started", Some(&**error)),
            Err(WriteError::Refused(error)) => ("refused", Some(&**error)),
            Err(WriteError::Unknown(error)) => ("unknown", Some(&**error)),
        };
        self.end(error_type, error);
    }

    pub(crate) fn read<T>(self, read: &Result<T, sqlx::Error>) {
        self.end(if read.is_ok() { "" } else { "failed" }, read.as_ref().err());
    }

    fn end(mut self, error_type: &'static str, error: Option<&sqlx::Error>) {
        if let Some(code) = error.and_then(sqlx::Error::as_database_error).and_then(|error| error.code()) {
            self.span.set("db.response.status_code", code.into_owned());
        }
        if !error_type.is_empty() {
            self.span.fail(error_type);
        }
        self.span.end();
        let Summary { operation, collection } = self.summary;
        let labels = Operation {
            db_system_name: self.system,
            db_operation_name: operation,
            db_collection_name: collection,
            error_type,
        };
        self.metrics.operation(&labels, self.began.elapsed());
    }
}

impl Summary {
    /// The span's name: `INSERT orders`, or the system's name where there is no better.
    fn name(self, system: &'static str) -> Cow<'static, str> {
        match self.operation {
            "" => system.into(),
            operation => format!("{operation} {}", self.collection).into(),
        }
    }
}
