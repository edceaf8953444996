//! Where a house keeps its orders and payments, and what stands there: SQLite files, or two databases on a server.

use std::{path::Path, sync::Arc};

use sqlx::{AnyConnection, AssertSqlSafe, Connection, Executor, Row, any::AnyRow};
use test_support::{
    Failed, Need,
    server::{Kind, Server},
};

/// Which databases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum On {
    /// A file for each service, which one instance alone may use.
    Sqlite,
    /// A server of the tests' own.
    Server(Kind),
}

impl On {
    pub(crate) const ALL: [Self; 3] =
        [Self::Sqlite, Self::Server(Kind::MariaDb), Self::Server(Kind::Postgres)];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Server(kind) => kind.name(),
        }
    }

    pub(crate) fn needs(self) -> Vec<Need> {
        match self {
            Self::Sqlite => Vec::new(),
            Self::Server(kind) => vec![kind.need()],
        }
    }

    /// `DB_DRIVER`
    fn driver(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Server(kind) => crate::driver(kind),
        }
    }
}

/// Whose books.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    Order,
    Payment,
}

/// The databases of one house.
#[derive(Debug)]
pub(crate) struct Books {
    on: On,
    server: Option<Arc<Server>>,
    /// As the tests reach them, not through any proxy.
    order: String,
    payment: String,
}

/// A row of `orders`.
#[derive(Debug, Clone)]
pub(crate) struct OrderRow {
    pub(crate) id: i64,
    pub(crate) user: i64,
    pub(crate) key: String,
    pub(crate) status: String,
    pub(crate) currency: String,
    pub(crate) minor: i64,
}

/// A row of `payments`; a tombstone has neither user nor amount.
#[derive(Debug, Clone)]
pub(crate) struct PaymentRow {
    pub(crate) order: i64,
    pub(crate) status: String,
    pub(crate) user: Option<i64>,
    pub(crate) currency: Option<String>,
    pub(crate) minor: Option<i64>,
}

/// All that stands there.
#[derive(Debug, Default)]
pub(crate) struct Entries {
    pub(crate) orders: Vec<OrderRow>,
    pub(crate) payments: Vec<PaymentRow>,
    /// Accounts (user, currency) that are not the sum of their charges.
    pub(crate) unbalanced: Vec<(i64, String)>,
}

impl Books {
    /// Empty ones: below `directory`, or on the server that all trials share.
    pub(crate) async fn new(on: On, directory: &Path) -> Result<Self, Failed> {
        sqlx::any::install_default_drivers();
        let file = |service: &str| format!("sqlite://{}/{service}.db", directory.display());
        let On::Server(kind) = on else {
            return Ok(Self { on, server: None, order: file("order"), payment: file("payment") });
        };
        let server = Server::shared(kind).await?;
        let (order, payment) = (server.new_database().await?, server.new_database().await?);
        let (order, payment) = (server.url(&order), server.url(&payment));
        Ok(Self { on, server: Some(server), order, payment })
    }

    /// The port of the server, where there is one.
    pub(crate) fn port(&self) -> Option<u16> {
        self.server.as_ref().map(|server| server.port())
    }

    /// What the environment of a service says, which reaches a server through `port`.
    pub(crate) fn vars(&self, whose: Whose, port: Option<u16>) -> [(&'static str, String); 2] {
        let mut url = self.url(whose).to_owned();
        if let (Some(own), Some(other)) = (self.port(), port) {
            url = url.replace(&format!("127.0.0.1:{own}/"), &format!("127.0.0.1:{other}/"));
        }
        [("DB_DRIVER", self.on.driver().to_owned()), ("DATA_SOURCE_URL", url)]
    }

    fn url(&self, whose: Whose) -> &str {
        match whose {
            Whose::Order => &self.order,
            Whose::Payment => &self.payment,
        }
    }

    async fn connect(&self, whose: Whose) -> Result<AnyConnection, Failed> {
        let mut connection = AnyConnection::connect(self.url(whose)).await?;
        if self.on == On::Sqlite {
            connection.execute("PRAGMA busy_timeout = 10000").await?;
        }
        Ok(connection)
    }

    /// Changes the books behind the services' backs.
    pub(crate) async fn change(&self, whose: Whose, sql: &str) -> Result<u64, Failed> {
        let mut connection = self.connect(whose).await?;
        let done = connection.execute(AssertSqlSafe(sql.to_owned())).await?;
        connection.close().await?;
        Ok(done.rows_affected())
    }

    async fn rows<T>(
        &self,
        whose: Whose,
        sql: &'static str,
        read: fn(&AnyRow) -> Result<T, sqlx::Error>,
    ) -> Result<Vec<T>, Failed> {
        let mut connection = self.connect(whose).await?;
        let rows = connection.fetch_all(sql).await?;
        connection.close().await?;
        Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
    }

    /// The orders.
    pub(crate) async fn orders(&self) -> Result<Vec<OrderRow>, Failed> {
        let read = |row: &AnyRow| {
            Ok(OrderRow {
                id: row.try_get(0)?,
                user: row.try_get(1)?,
                key: row.try_get(2)?,
                status: row.try_get(3)?,
                currency: row.try_get(4)?,
                minor: row.try_get(5)?,
            })
        };
        let sql = "SELECT order_id, user_id, idempotency_key, status, currency, total_minor FROM orders";
        self.rows(Whose::Order, sql, read).await
    }

    /// How many orders are PENDING.
    pub(crate) async fn pending(&self) -> Result<i64, Failed> {
        let sql = "SELECT COUNT(*) FROM orders WHERE status = 'PENDING'";
        let counts = self.rows(Whose::Order, sql, |row| row.try_get(0)).await?;
        Ok(counts.first().copied().unwrap_or_default())
    }

    /// Everything.
    pub(crate) async fn entries(&self) -> Result<Entries, Failed> {
        let payment = |row: &AnyRow| {
            Ok(PaymentRow {
                order: row.try_get(0)?,
                status: row.try_get(1)?,
                user: row.try_get(2)?,
                currency: row.try_get(3)?,
                minor: row.try_get(4)?,
            })
        };
        let sql = "SELECT order_id, status, user_id, currency, amount_minor FROM payments";
        Ok(Entries {
            orders: self.orders().await?,
            payments: self.rows(Whose::Payment, sql, payment).await?,
            unbalanced: self
                .rows(Whose::Payment, payment::adapters::db::AUDIT, |row| {
                    Ok((row.try_get(0)?, row.try_get(1)?))
                })
                .await?,
        })
    }
}
