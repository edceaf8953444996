//! Mismatches and their resolutions.

use async_trait::async_trait;
use database::{Connection, Summary, Transaction};
use sqlx::{Row, any::AnyRow};

use super::{DbOrders, rows::unreadable, statements};
use crate::{
    domain::{Mismatch, OrderId, Resolution},
    ports::{Mismatches, NewResolution, StoreError},
};

#[async_trait]
impl Mismatches for DbOrders {
    async fn find(&self, order: OrderId) -> Result<Option<Mismatch>, StoreError> {
        Ok(self.read(Read(Which::Of(order))).await?.pop())
    }

    async fn list(&self, all: bool) -> Result<Vec<Mismatch>, StoreError> {
        self.read(Read(if all { Which::All } else { Which::Open })).await
    }

    async fn resolve(&self, resolution: &NewResolution) -> Result<bool, StoreError> {
        self.write(Resolve(resolution.clone())).await
    }
}

/// Records that a mismatch was found. Returns whether it is new.
pub(super) struct Record(pub(super) OrderId);

#[async_trait]
impl Transaction for Record {
    type Output = bool;
    const SUMMARY: Summary = Summary::new("INSERT", "mismatches");

    async fn run(&self, connection: &mut Connection) -> Result<bool, sqlx::Error> {
        record(connection, self.0).await
    }
}

async fn record(connection: &mut Connection, order: OrderId) -> Result<bool, sqlx::Error> {
    let known = connection.query(statements::IS_MISMATCH).bind(order.get());
    if known.fetch_optional(connection.executor()).await?.is_some() {
        return Ok(false);
    }
    let insert = connection.query(statements::RECORD_MISMATCH).bind(order.get());
    insert.execute(connection.executor()).await.map(|_| true)
}

enum Which {
    Of(OrderId),
    Open,
    All,
}

struct Read(Which);

#[async_trait]
impl Transaction for Read {
    type Output = Vec<Mismatch>;
    const SUMMARY: Summary = Summary::new("SELECT", "mismatches");

    async fn run(&self, connection: &mut Connection) -> Result<Vec<Mismatch>, sqlx::Error> {
        let query = match self.0 {
            Which::Of(order) => connection.query(statements::FIND_MISMATCH).bind(order.get()),
            Which::Open => connection.query(statements::OPEN_MISMATCHES),
            Which::All => connection.query(statements::ALL_MISMATCHES),
        };
        query.fetch_all(connection.executor()).await?.iter().map(read).collect()
    }
}

fn read(row: &AnyRow) -> Result<Mismatch, sqlx::Error> {
    let resolved_ms: Option<i64> = row.try_get(2)?;
    let line = |column: usize| row.try_get::<Option<String>, _>(column).map(Option::unwrap_or_default);
    let resolution = match resolved_ms {
        None => None,
        Some(resolved_ms) => Some(Resolution {
            resolved_ms,
            operator: line(3)?.parse().map_err(|_| unreadable("mismatches.operator"))?,
            reason: line(4)?.parse().map_err(|_| unreadable("mismatches.reason"))?,
            status_before: line(5)?,
            status_after: line(6)?,
            payment: line(7)?,
        }),
    };
    Ok(Mismatch {
        order: OrderId::new(row.try_get(0)?).ok_or_else(|| unreadable("mismatches.order_id"))?,
        found_ms: row.try_get(1)?,
        resolution,
    })
}

/// Settles the order, and records the resolution. Returns whether the order was PENDING.
struct Resolve(NewResolution);

#[async_trait]
impl Transaction for Resolve {
    type Output = bool;
    const SUMMARY: Summary = Summary::new("UPDATE", "orders");

    async fn run(&self, connection: &mut Connection) -> Result<bool, sqlx::Error> {
        let NewResolution { order, status, operator, reason, payment } = &self.0;
        let settle = connection.query(statements::SETTLE).bind(status.name());
        let settle = settle.bind(None::<String>).bind(None::<String>).bind(order.get());
        if settle.execute(connection.executor()).await?.rows_affected() != 1 {
            return Ok(false);
        }
        // The operator may be faster than Order.
        record(connection, *order).await?;
        let resolve = connection
            .query(statements::RESOLVE_MISMATCH)
            .bind(operator.as_str().to_owned())
            .bind(reason.as_str().to_owned())
            .bind(status.name())
            .bind(payment.clone())
            .bind(order.get());
        resolve.execute(connection.executor()).await.map(|_| true)
    }
}
