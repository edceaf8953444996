//! Stores that are broken on purpose: the contract must notice, and name what is broken.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use database::{Connection, Database, Transaction};
use order::{
    adapters::db::DbOrders,
    domain::{Backlog, Due, Hold, IdempotencyKey, Order, OrderId, Settlement, UserId},
    ports::{Insert, Orders, Page, Permit, StoreError},
};
use test_support::{Failed, Trial, check, trial};

use crate::{
    contract::{OBLIGATIONS, broken},
    given::{Given, Kind},
};

/// What is broken in a database.
#[derive(Debug, Clone, Copy)]
enum Sabotage {
    NoUniqueIndex,
    KeysIgnoreCase,
    TimesSwapped,
    SettlesBlindly,
}

impl Sabotage {
    const ALL: [Self; 4] =
        [Self::NoUniqueIndex, Self::KeysIgnoreCase, Self::TimesSwapped, Self::SettlesBlindly];

    /// What it is, and the obligations that notice.
    fn noticed_by(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::NoUniqueIndex => (
                "whose unique index was dropped",
                &["a key that its user took is a clash", "one of racing inserts with one key is kept"],
            ),
            Self::KeysIgnoreCase => ("whose keys ignore case", &["keys that differ in case are two"]),
            Self::TimesSwapped => ("whose times are swapped", &["times are kept to the millisecond"]),
            Self::SettlesBlindly => (
                "that settles without comparing",
                &["one of racing settlements wins", "a settled order is never settled again"],
            ),
        }
    }

    /// What does it to a database that has all migrations.
    fn script(self, kind: Kind) -> String {
        match (self, kind) {
            (Self::SettlesBlindly, _) => return String::new(),
            (Self::NoUniqueIndex, Kind::Sqlite) => {
                return rebuilt(",\n    UNIQUE (user_id, idempotency_key)", "");
            }
            (Self::KeysIgnoreCase, Kind::Sqlite) => {
                return rebuilt("idempotency_key     TEXT COLLATE BINARY", "idempotency_key TEXT COLLATE NOCASE");
            }
            (Self::NoUniqueIndex, Kind::MariaDb) => "ALTER TABLE orders DROP INDEX orders_by_key",
            (Self::NoUniqueIndex, Kind::Postgres) => "ALTER TABLE orders DROP CONSTRAINT orders_by_key",
            (Self::KeysIgnoreCase, Kind::MariaDb) => {
                "ALTER TABLE orders MODIFY idempotency_key VARCHAR(255) COLLATE utf8mb4_general_ci NOT NULL"
            }
            (Self::KeysIgnoreCase, Kind::Postgres) => {
                "CREATE UNIQUE INDEX folded ON orders (user_id, lower(idempotency_key))"
            }
            // The statements name their columns, so that renamed columns would be swapped back.
            (Self::TimesSwapped, Kind::Sqlite) => {
                "CREATE TRIGGER swap AFTER INSERT ON orders BEGIN
                     UPDATE orders SET created_at_ms = NEW.pending_since_ms, pending_since_ms = NEW.created_at_ms
                     WHERE order_id = NEW.order_id;
                 END"
            }
            (Self::TimesSwapped, Kind::MariaDb) => {
                "CREATE TRIGGER swap BEFORE INSERT ON orders FOR EACH ROW
                     SET @kept = NEW.created_at_ms, NEW.created_at_ms = NEW.pending_since_ms,
                         NEW.pending_since_ms = @kept"
            }
            (Self::TimesSwapped, Kind::Postgres) => {
                "CREATE FUNCTION swap() RETURNS trigger LANGUAGE plpgsql AS $$
                 DECLARE kept BIGINT := NEW.created_at_ms;
                 BEGIN
                     NEW.created_at_ms := NEW.pending_since_ms;
                     NEW.pending_since_ms := kept;
                     RETURN NEW;
                 END $$;
                 CREATE TRIGGER swap BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION swap()"
            }
        }
        .to_owned()
    }
}

/// The tables of SQLite, which alters neither constraints nor collations, made anew with another text.
fn rebuilt(from: &str, to: &str) -> String {
    let tables = include_str!("../../migrations/sqlite/0001_orders.sql");
    assert!(tables.contains(from), "{from:?} is not there");
    format!("DROP TABLE order_items; DROP TABLE orders; {}", tables.replace(from, to))
}

pub(crate) fn trials(kind: Kind) -> impl Iterator<Item = Trial> {
    Sabotage::ALL.into_iter().map(move |sabotage| {
        let (what, _) = sabotage.noticed_by();
        let name = format!("{} {what} breaks the contract", kind.name());
        trial(&name, kind.needs(), move || is_noticed(kind, sabotage))
    })
}

async fn is_noticed(kind: Kind, sabotage: Sabotage) -> Result<(), Failed> {
    let given = Given::new(kind).await?;
    let database = given.open().await?;
    let script = sabotage.script(kind);
    if !script.is_empty() {
        given.execute(&script).await?;
    }
    let kept = DbOrders::new(database.clone());
    let orders: Arc<dyn Orders> = match sabotage {
        Sabotage::SettlesBlindly => Arc::new(Blind { kept, database }),
        _ => Arc::new(kept),
    };
    let (_, expected) = sabotage.noticed_by();
    let suspects: Vec<_> = OBLIGATIONS.iter().filter(|(name, _)| expected.contains(name)).copied().collect();
    let broken = broken(orders, &suspects).await;
    check(broken.len() == expected.len(), || format!("only {broken:?} of {expected:?}"))
}

/// A store that settles whatever is there.
struct Blind {
    kept: DbOrders,
    database: Database,
}

struct SettleBlindly(OrderId, Settlement);

#[async_trait]
impl Transaction for SettleBlindly {
    type Output = bool;

    async fn run(&self, connection: &mut Connection) -> Result<bool, sqlx::Error> {
        let update = connection.query(
            "UPDATE orders SET status = ?, decline_reason = ?, decline_description = ? WHERE order_id = ?",
        );
        let update = update
            .bind(self.1.status.name())
            .bind(self.1.decline.as_ref().map(|decline| decline.reason.clone()))
            .bind(self.1.decline.as_ref().map(|decline| decline.description.clone()))
            .bind(self.0.get());
        Ok(update.execute(connection.executor()).await?.rows_affected() == 1)
    }
}

#[async_trait]
impl Orders for Blind {
    async fn insert(&self, order: &Order, permit: Permit) -> Result<Insert, StoreError> {
        self.kept.insert(order, permit).await
    }

    async fn find_by_key(&self, user: UserId, key: &IdempotencyKey) -> Result<Option<Order>, StoreError> {
        self.kept.find_by_key(user, key).await
    }

    async fn find(&self, id: OrderId) -> Result<Option<Order>, StoreError> {
        self.kept.find(id).await
    }

    async fn list(
        &self,
        user: UserId,
        before: Option<OrderId>,
        limit: u32,
        items_max: u32,
    ) -> Result<Page, StoreError> {
        self.kept.list(user, before, limit, items_max).await
    }

    async fn settle(&self, hold: Hold, settlement: &Settlement) -> Result<bool, StoreError> {
        let settle = SettleBlindly(hold.order, settlement.clone());
        self.database.write(settle).await.map_err(|_| StoreError::Unknown)
    }

    async fn reopen(&self, hold: Hold) -> Result<bool, StoreError> {
        self.kept.reopen(hold).await
    }

    async fn due(&self, limit: u32) -> Result<Vec<Due>, StoreError> {
        self.kept.due(limit).await
    }

    async fn claim(&self, hold: Hold, again_in: Duration) -> Result<bool, StoreError> {
        self.kept.claim(hold, again_in).await
    }

    async fn backlog(&self, limit: u32) -> Result<Backlog, StoreError> {
        self.kept.backlog(limit).await
    }
}
