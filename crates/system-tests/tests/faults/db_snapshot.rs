//! The databases of a cluster, and snapshots of their rows.

use std::{path::Path, sync::Arc};

use sqlx::{AnyConnection, AssertSqlSafe, Connection, Executor, Row, any::AnyRow};
use system_tests::db_driver;
use test_support::{
    Failed, Need,
    server::{Kind, Server},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DatabaseKind {
    /// A file for each service, which one instance alone may use.
    Sqlite,
    /// A server that the tests start.
    Server(Kind),
}

impl DatabaseKind {
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
            Self::Server(kind) => db_driver(kind),
        }
    }
}

/// A service that has a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServiceName {
    Order,
    Payment,
}

/// The databases of one cluster, as the tests reach them: without a proxy.
#[derive(Debug)]
pub(crate) struct Databases {
    kind: DatabaseKind,
    server: Option<Arc<Server>>,
    order_url: String,
    payment_url: String,
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

/// A row of `payments`. A tombstone has neither user nor amount.
#[derive(Debug, Clone)]
pub(crate) struct PaymentRow {
    pub(crate) order: i64,
    pub(crate) status: String,
    pub(crate) user: Option<i64>,
    pub(crate) currency: Option<String>,
    pub(crate) minor: Option<i64>,
}

/// All rows.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) orders: Vec<OrderRow>,
    pub(crate) payments: Vec<PaymentRow>,
    /// Accounts (user, currency) whose balance differs from the sum of their charges.
    pub(crate) unbalanced: Vec<(i64, String)>,
}

impl Databases {
    /// Empty databases: files in `directory`, or two databases on the server that all trials share.
    pub(crate) async fn create(kind: DatabaseKind, directory: &Path) -> Result<Self, Failed> {
        sqlx::any::install_default_drivers();
        let file = |service: &str| format!("sqlite://{}/{service}.db", directory.display());
        let DatabaseKind::Server(server_kind) = kind else {
            return Ok(Self { kind, server: None, order_url: file("order"), payment_url: file("payment") });
        };
        let server = Server::shared(server_kind).await?;
        let (order, payment) = (server.new_database().await?, server.new_database().await?);
        let (order_url, payment_url) = (server.url(&order), server.url(&payment));
        Ok(Self { kind, server: Some(server), order_url, payment_url })
    }

    /// The server's port; `None` for SQLite.
    pub(crate) fn port(&self) -> Option<u16> {
        self.server.as_ref().map(|server| server.port())
    }

    /// The variables of a service that reaches the server at `port`.
    pub(crate) fn vars(&self, service: ServiceName, port: Option<u16>) -> [(&'static str, String); 2] {
        let mut url = self.url(service).to_owned();
        if let (Some(direct), Some(port)) = (self.port(), port) {
            url = url.replace(&format!("127.0.0.1:{direct}/"), &format!("127.0.0.1:{port}/"));
        }
        [("DB_DRIVER", self.kind.driver().to_owned()), ("DATA_SOURCE_URL", url)]
    }

    fn url(&self, service: ServiceName) -> &str {
        match service {
            ServiceName::Order => &self.order_url,
            ServiceName::Payment => &self.payment_url,
        }
    }

    async fn connect(&self, service: ServiceName) -> Result<AnyConnection, Failed> {
        let mut connection = AnyConnection::connect(self.url(service)).await?;
        if self.kind == DatabaseKind::Sqlite {
            connection.execute("PRAGMA busy_timeout = 10000").await?;
        }
        Ok(connection)
    }

    /// Executes a statement and returns the number of affected rows.
    pub(crate) async fn execute(&self, service: ServiceName, sql: &str) -> Result<u64, Failed> {
        let mut connection = self.connect(service).await?;
        let done = connection.execute(AssertSqlSafe(sql.to_owned())).await?;
        connection.close().await?;
        Ok(done.rows_affected())
    }

    async fn rows<T>(
        &self,
        service: ServiceName,
        sql: &'static str,
        decode: fn(&AnyRow) -> Result<T, sqlx::Error>,
    ) -> Result<Vec<T>, Failed> {
        let mut connection = self.connect(service).await?;
        let rows = connection.fetch_all(sql).await?;
        connection.close().await?;
        Ok(rows.iter().map(decode).collect::<Result<_, _>>()?)
    }

    pub(crate) async fn orders(&self) -> Result<Vec<OrderRow>, Failed> {
        let decode = |row: &AnyRow| {
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
        self.rows(ServiceName::Order, sql, decode).await
    }

    /// The number of PENDING orders.
    pub(crate) async fn pending(&self) -> Result<i64, Failed> {
        let sql = "SELECT COUNT(*) FROM orders WHERE status = 'PENDING'";
        let counts = self.rows(ServiceName::Order, sql, |row| row.try_get(0)).await?;
        Ok(counts.first().copied().unwrap_or_default())
    }

    pub(crate) async fn snapshot(&self) -> Result<Snapshot, Failed> {
        let decode = |row: &AnyRow| {
            Ok(PaymentRow {
                order: row.try_get(0)?,
                status: row.try_get(1)?,
                user: row.try_get(2)?,
                currency: row.try_get(3)?,
                minor: row.try_get(4)?,
            })
        };
        let sql = "SELECT order_id, status, user_id, currency, amount_minor FROM payments";
        Ok(Snapshot {
            orders: self.orders().await?,
            payments: self.rows(ServiceName::Payment, sql, decode).await?,
            unbalanced: self
                .rows(ServiceName::Payment, payment::adapters::db::AUDIT, |row| {
                    Ok((row.try_get(0)?, row.try_get(1)?))
                })
                .await?,
        })
    }
}
