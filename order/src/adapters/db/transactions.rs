//! The transactions of the store of orders.

use std::time::Duration;

use async_trait::async_trait;
use database::{Connection, Summary, Transaction, contention_key};
use money::Money;
use sqlx::{AssertSqlSafe, Row, any::AnyRow};

use super::{
    rows::{self, Header},
    statements,
};
use crate::{
    domain::{
        Backlog, FencingToken, Guard, IdempotencyKey, Order, OrderId, OrderSummary, PendingOrder, Settlement,
        Status, UserId,
    },
    ports::{FIRST_CHECK, Page, StartGuard},
};

/// Inserts an order with its items.
pub(super) struct Insert {
    pub(super) order: Order,
    pub(super) start_guard: StartGuard,
}

#[async_trait]
impl Transaction for Insert {
    type Output = ();
    const SUMMARY: Summary = Summary::new("INSERT", "orders");

    fn may_begin(&self) -> bool {
        (self.start_guard)()
    }

    /// An INSERT waits for another one with its key.
    fn contention_key(&self) -> Option<u64> {
        Some(contention_key((self.order.user.get(), self.order.key.as_str())))
    }

    async fn run(&self, connection: &mut Connection) -> Result<(), sqlx::Error> {
        let order = &self.order;
        let decline = order.decline.as_ref();
        let item_count = i64::try_from(order.items.len()).unwrap_or(i64::MAX);
        let insert = connection.query(statements::INSERT);
        let insert = insert
            .bind(order.id.get())
            .bind(order.user.get())
            .bind(order.key.as_str().to_owned())
            .bind(order.fingerprint.as_str().to_owned())
            .bind(order.status.name())
            .bind(order.total.map(|total| total.currency().code()))
            .bind(order.total.map(Money::minor))
            .bind(item_count)
            .bind(decline.map(|decline| decline.reason.clone()))
            .bind(decline.map(|decline| decline.description.clone()))
            .bind(order.fence)
            .bind(order.attempts)
            .bind(order.created_ms)
            .bind(millis(FIRST_CHECK));
        insert.execute(connection.executor()).await?;
        let mut insert = connection.query(AssertSqlSafe(statements::insert_items(order.items.len())));
        for (position, item) in (0_i64..).zip(&order.items) {
            insert = insert
                .bind(order.id.get())
                .bind(position)
                .bind(item.product_code.as_str().to_owned())
                .bind(item.unit_price.minor())
                .bind(i64::from(item.quantity.get()));
        }
        insert.execute(connection.executor()).await.map(drop)
    }
}

/// Reads an order by id or by key.
pub(super) enum Find {
    Id(OrderId),
    Key(UserId, IdempotencyKey),
}

#[async_trait]
impl Transaction for Find {
    type Output = Option<Order>;
    const SUMMARY: Summary = Summary::new("SELECT", "orders");

    async fn run(&self, connection: &mut Connection) -> Result<Option<Order>, sqlx::Error> {
        let query = match self {
            Self::Id(id) => connection.query(statements::FIND).bind(id.get()),
            Self::Key(user, key) => {
                connection.query(statements::FIND_BY_KEY).bind(user.get()).bind(key.as_str().to_owned())
            }
        };
        let Some(row) = query.fetch_optional(connection.executor()).await? else { return Ok(None) };
        let header = Header::read(&row)?;
        rows::log_unknown([&header].into_iter().filter(|header| header.is_unknown()).map(Header::id));
        let items = connection.query(statements::ITEMS).bind(header.id());
        let items = items.fetch_all(connection.executor()).await?;
        header.with_items(&items).map(Some)
    }
}

/// Reads the status of an order.
pub(super) struct ReadStatus(pub(super) OrderId);

#[async_trait]
impl Transaction for ReadStatus {
    type Output = Option<Status>;
    const SUMMARY: Summary = Summary::new("SELECT", "orders");

    async fn run(&self, connection: &mut Connection) -> Result<Option<Status>, sqlx::Error> {
        let query = connection.query(statements::STATUS).bind(self.0.get());
        query.fetch_optional(connection.executor()).await?.as_ref().map(rows::status).transpose()
    }
}

/// Reads a page of the orders of a user.
pub(super) struct List {
    pub(super) user: UserId,
    pub(super) before: Option<OrderId>,
    pub(super) limit: u32,
    pub(super) items_max: u32,
}

#[async_trait]
impl Transaction for List {
    type Output = Page;
    const SUMMARY: Summary = Summary::new("SELECT", "orders");

    async fn run(&self, connection: &mut Connection) -> Result<Page, sqlx::Error> {
        let below = self.before.map_or(i64::MAX, OrderId::get);
        let headers = connection.query(statements::LIST);
        let headers = headers.bind(self.user.get()).bind(below).bind(i64::from(self.limit) + 1);
        let headers: Vec<AnyRow> = headers.fetch_all(connection.executor()).await?;
        let headers: Vec<Header> = headers.iter().map(Header::read).collect::<Result<_, _>>()?;
        rows::log_unknown(headers.iter().filter(|header| header.is_unknown()).map(Header::id));
        let count = rows::fitting(&headers, self.limit, self.items_max);
        let more = count < headers.len();
        let Some((newest, oldest)) = headers.first().zip(headers.get(count.saturating_sub(1))) else {
            return Ok(Page { orders: Vec::new(), more: false });
        };
        let items = connection.query(statements::ITEMS_OF_LIST);
        let items = items.bind(self.user.get()).bind(newest.id()).bind(oldest.id());
        let items = items.fetch_all(connection.executor()).await?;
        let orders = rows::assemble(headers.into_iter().take(count), &items)?;
        Ok(Page { orders, more })
    }
}

/// Settles an order. Returns whether the condition held.
pub(super) struct Settle {
    pub(super) token: FencingToken,
    pub(super) settlement: Settlement,
}

#[async_trait]
impl Transaction for Settle {
    type Output = bool;
    const SUMMARY: Summary = Summary::new("UPDATE", "orders");

    fn is_single(&self) -> bool {
        true
    }

    async fn run(&self, connection: &mut Connection) -> Result<bool, sqlx::Error> {
        let Settlement { status, decline, guard } = &self.settlement;
        let update = connection.query(match guard {
            Guard::Pending => statements::SETTLE,
            Guard::Fence => statements::SETTLE_FENCED,
        });
        let update = update
            .bind(status.name())
            .bind(decline.as_ref().map(|decline| decline.reason.clone()))
            .bind(decline.as_ref().map(|decline| decline.description.clone()))
            .bind(self.token.order.get());
        let update = match guard {
            Guard::Pending => update,
            Guard::Fence => update.bind(self.token.fence),
        };
        Ok(update.execute(connection.executor()).await?.rows_affected() == 1)
    }
}

/// Makes a NOT_CHARGED order PENDING. Returns whether the condition held.
pub(super) struct Reopen(pub(super) FencingToken);

#[async_trait]
impl Transaction for Reopen {
    type Output = bool;
    const SUMMARY: Summary = Summary::new("UPDATE", "orders");

    fn is_single(&self) -> bool {
        true
    }

    async fn run(&self, connection: &mut Connection) -> Result<bool, sqlx::Error> {
        update(connection, statements::REOPEN, FIRST_CHECK, self.0).await
    }
}

/// Claims a PENDING order. Returns whether the condition held.
pub(super) struct Claim {
    pub(super) token: FencingToken,
    pub(super) lease: Duration,
}

#[async_trait]
impl Transaction for Claim {
    type Output = bool;
    const SUMMARY: Summary = Summary::new("UPDATE", "orders");

    fn is_single(&self) -> bool {
        true
    }

    async fn run(&self, connection: &mut Connection) -> Result<bool, sqlx::Error> {
        update(connection, statements::CLAIM, self.lease, self.token).await
    }
}

/// Maximum number of orders of a [`Renew`].
pub(super) const RENEW_MAX: usize = 100;
/// The numbers of orders for which there is a statement: few, since a connection keeps each prepared.
const RENEW_SIZES: [usize; 3] = [1, 10, RENEW_MAX];

/// Renews the leases of PENDING orders.
pub(super) struct Renew {
    pub(super) orders: Vec<OrderId>,
    pub(super) lease: Duration,
}

#[async_trait]
impl Transaction for Renew {
    type Output = ();
    const SUMMARY: Summary = Summary::new("UPDATE", "orders");

    fn is_single(&self) -> bool {
        true
    }

    async fn run(&self, connection: &mut Connection) -> Result<(), sqlx::Error> {
        let Some(last) = self.orders.last() else { return Ok(()) };
        let size = RENEW_SIZES.into_iter().find(|size| *size >= self.orders.len()).unwrap_or(RENEW_MAX);
        let update = connection.query(AssertSqlSafe(statements::renew(size))).bind(millis(self.lease));
        // The last order fills the statement up.
        let orders = self.orders.iter().chain(std::iter::repeat(last)).take(size);
        let update = orders.fold(update, |update, order| update.bind(order.get()));
        update.bind(millis(self.lease)).execute(connection.executor()).await.map(drop)
    }
}

/// Runs an UPDATE that makes the order of `token` due after `due_in`. Returns whether its condition held.
async fn update(
    connection: &mut Connection,
    statement: &'static str,
    due_in: Duration,
    token: FencingToken,
) -> Result<bool, sqlx::Error> {
    let update = connection.query(statement).bind(millis(due_in)).bind(token.order.get()).bind(token.fence);
    Ok(update.execute(connection.executor()).await?.rows_affected() == 1)
}

/// Reads the orders that are due.
pub(super) struct ReadDue {
    pub(super) limit: u32,
}

#[async_trait]
impl Transaction for ReadDue {
    type Output = Vec<PendingOrder>;
    const SUMMARY: Summary = Summary::new("SELECT", "orders");

    async fn run(&self, connection: &mut Connection) -> Result<Vec<PendingOrder>, sqlx::Error> {
        let due = connection.query(statements::DUE).bind(i64::from(self.limit));
        let rows = due.fetch_all(connection.executor()).await?;
        let due: Vec<PendingOrder> = rows.iter().map(rows::due).collect::<Result<_, _>>()?;
        rows::log_unknown(due.iter().filter(|due| due.charge.is_none()).map(|due| due.order.get()));
        Ok(due)
    }
}

/// Reads a page of orders for the audit, by id.
pub(super) struct ReadAuditPage {
    /// Orders with higher ids.
    pub(super) after: i64,
    pub(super) limit: u32,
}

#[async_trait]
impl Transaction for ReadAuditPage {
    type Output = Vec<OrderSummary>;
    const SUMMARY: Summary = Summary::new("SELECT", "orders");

    async fn run(&self, connection: &mut Connection) -> Result<Vec<OrderSummary>, sqlx::Error> {
        let orders = connection.query(statements::AUDIT_PAGE).bind(self.after).bind(i64::from(self.limit));
        let rows = orders.fetch_all(connection.executor()).await?;
        let orders: Vec<OrderSummary> = rows.iter().map(rows::summary).collect::<Result<_, _>>()?;
        let unknown = |order: &&OrderSummary| order.total.is_none() || order.status == Status::Unspecified;
        rows::log_unknown(orders.iter().filter(unknown).map(|order| order.order.get()));
        Ok(orders)
    }
}

/// Reads the backlog of PENDING orders.
pub(super) struct ReadBacklog {
    pub(super) limit: u32,
}

#[async_trait]
impl Transaction for ReadBacklog {
    type Output = Backlog;
    const SUMMARY: Summary = Summary::new("SELECT", "orders");

    async fn run(&self, connection: &mut Connection) -> Result<Backlog, sqlx::Error> {
        let pending = connection.query(statements::BACKLOG).bind(i64::from(self.limit));
        let pending = pending.fetch_all(connection.executor()).await?;
        let mut backlog = Backlog::default();
        for row in &pending {
            let (pending_for, due_for): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
            if row.try_get::<Option<i64>, _>(2)?.is_some() {
                backlog.mismatches += 1;
                continue;
            }
            backlog.oldest = backlog.oldest.max(rows::duration(pending_for));
            backlog.orphans += usize::from(due_for >= 0);
        }
        Ok(backlog)
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
