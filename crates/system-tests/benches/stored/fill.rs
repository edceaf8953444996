//! Bulk inserts of orders, computed by the database itself.

use sqlx::{AssertSqlSafe, Connection, Executor, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::{
    backend::{Backend, file, to_failure},
    figures::Failure,
};

/// The ids start here: as long as generated ids.
pub(crate) const BASE: i64 = 1 << 50;
/// Every 16th order belongs to user 1.
pub(crate) const OWN_EVERY: i64 = 16;
/// The other users.
pub(crate) const USERS: i64 = 1000;

/// Inserts `count` orders of one item each into a migrated database.
pub(crate) async fn fill(backend: &Backend, name: &str, count: i64) -> Result<(), Failure> {
    let (before, numbers, key, after) = match backend {
        Backend::Sqlite(_) => (
            "BEGIN",
            format!(
                "(WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < {count}) SELECT i FROM s)"
            ),
            "lower(hex(randomblob(16)))",
            "COMMIT; PRAGMA wal_checkpoint(TRUNCATE)",
        ),
        Backend::Server(_) if backend.name() == "MariaDB" => (
            "BEGIN",
            format!("(SELECT seq AS i FROM seq_1_to_{count})"),
            "md5(i)",
            "COMMIT; ANALYZE TABLE orders, order_items",
        ),
        Backend::Server(_) => (
            "BEGIN",
            format!("(SELECT generate_series(1, {count}) AS i)"),
            "md5(i::text)",
            "COMMIT; VACUUM ANALYZE orders; VACUUM ANALYZE order_items; CHECKPOINT",
        ),
    };
    let script = format!(
        "{before};
         INSERT INTO orders (order_id, user_id, idempotency_key, fingerprint, status, currency, total_minor,
             item_count, fence, attempts, created_at_ms, pending_since_ms, next_check_at_ms)
         SELECT {BASE} + i, CASE WHEN i % {OWN_EVERY} = 0 THEN 1 ELSE 2 + i % {USERS} END, {key},
             'v1:bce4b8b5c2f2a4a1c0c9d3c5a4d2f1e0bce4b8b5c2f2a4a1c0c9d3c5a4d2f1e0', 'PAID', 'USD', 12,
             1, 1, 1, 1795413600123 + i, 1795413600123 + i, 1795413602123 + i
         FROM {numbers} AS n;
         INSERT INTO order_items (order_id, position, product_code, unit_price_minor, quantity)
         SELECT {BASE} + i, 0, 'sku1', 12, 1 FROM {numbers} AS n;
         {after};"
    );
    match backend {
        Backend::Sqlite(directory) => {
            let options = SqliteConnectOptions::new().filename(file(directory, name));
            let mut connection = SqliteConnection::connect_with(&options).await?;
            connection.execute(AssertSqlSafe(script)).await?;
            Ok(connection.close().await?)
        }
        Backend::Server(server) => server.execute(name, &script).await.map(drop).map_err(to_failure),
    }
}
