//! The trace span and the metrics of one transaction. They never contain parameters or the URL of the
//! database.

use std::borrow::Cow;

use service_kit::trace::{Span, SpanKind};
use tokio::time::Instant;

use crate::{
    dialect::Dialect,
    metrics::{Metrics, Operation},
    transaction::{Summary, Transaction, WriteError},
};

/// A transaction from its call to its result.
pub(crate) struct OperationSpan<'a> {
    metrics: &'a Metrics,
    span: Span,
    started: Instant,
    system: &'static str,
    summary: Summary,
}

impl<'a> OperationSpan<'a> {
    pub(crate) fn start<T: Transaction>(dialect: Dialect, metrics: &'a Metrics) -> Self {
        let (system, summary) = (dialect.name(), T::SUMMARY);
        let mut span = Span::start(SpanKind::Client, summary.name(system));
        span.set("db.system.name", system);
        if !summary.operation.is_empty() {
            span.set("db.operation.name", summary.operation);
            span.set("db.collection.name", summary.collection);
        }
        Self { metrics, span, started: Instant::now(), system, summary }
    }

    /// Records how many transactions shared the commit.
    pub(crate) fn set_group_size(&mut self, count: usize) {
        self.span.set("db.commit.group_size", i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub(crate) fn end_write<T>(self, written: &Result<T, WriteError>) {
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

    pub(crate) fn end_read<T>(self, read: &Result<T, sqlx::Error>) {
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
        self.metrics.operation(&labels, self.started.elapsed());
    }
}

impl Summary {
    /// The name of the span: `INSERT orders`, or the name of the system where there is no summary.
    fn name(self, system: &'static str) -> Cow<'static, str> {
        match self.operation {
            "" => system.into(),
            operation => format!("{operation} {}", self.collection).into(),
        }
    }
}
