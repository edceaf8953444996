//! The tables of a schema: which exist, whose they are, and whether they can be read.

use std::fmt::Write as _;

use sqlx::{AssertSqlSafe, Row};

use super::Migrations;
use crate::{DatabaseUrl, OpenError, dialect::Dialect, error::Cause, transaction::Connection};

/// A table of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table {
    /// The name of the table.
    pub name: &'static str,
    /// The version of the migration that creates it.
    pub migration: i64,
    /// A column of every version of the table, which a table of the same name of another program does not
    /// have.
    pub column: &'static str,
}

impl Table {
    /// The table `name`, created by `migration`, with the distinctive `column`.
    pub const fn new(name: &'static str, migration: i64, column: &'static str) -> Self {
        Self { name, migration, column }
    }
}

/// The tables and views of a database that a statement finds without naming a schema.
pub(super) struct Existing {
    tables: Vec<(String, bool)>,
    ignores_case: bool,
}

impl Existing {
    pub(super) async fn read(connection: &mut Connection) -> Result<Self, sqlx::Error> {
        let dialect = connection.dialect;
        let rows = connection.query(tables_query(dialect)).fetch_all(connection.executor()).await?;
        let tables = rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get::<i64, _>(1)? == 1)));
        let tables = tables.collect::<Result<_, sqlx::Error>>()?;
        Ok(Self { tables, ignores_case: dialect == Dialect::Sqlite })
    }

    /// Whether a statement finds the table `name`.
    pub(super) fn contains(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// Whether `CREATE TABLE name` would find the name taken.
    pub(super) fn is_in_own_schema(&self, name: &str) -> bool {
        self.find(name).is_some_and(|(_, in_own_schema)| *in_own_schema)
    }

    fn find(&self, name: &str) -> Option<&(String, bool)> {
        let equal = |table: &str| table == name || self.ignores_case && table.eq_ignore_ascii_case(name);
        self.tables.iter().find(|(table, _)| equal(table))
    }
}

/// A query for the names of tables and views, and 1 for those in the schema in which CREATE TABLE creates.
fn tables_query(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => "SELECT name, 1 FROM sqlite_master WHERE type IN ('table', 'view')",
        Dialect::MySql => {
            "SELECT CAST(table_name AS CHAR), CAST(1 AS SIGNED) FROM information_schema.tables
             WHERE table_schema = DATABASE()"
        }
        // information_schema omits the tables on which the user has no right.
        Dialect::Postgres => {
            "SELECT c.relname::text, CASE WHEN n.nspname = current_schema() THEN 1::bigint ELSE 0::bigint END
             FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND pg_catalog.pg_table_is_visible(c.oid)
                 AND n.nspname NOT IN ('pg_catalog', 'information_schema')"
        }
    }
}

/// Fails where one of `tables` is missing, lacks its column or cannot be read. The error names the table or
/// the column. Reads no row.
pub(crate) async fn check_tables(connection: &mut Connection, tables: &[Table]) -> Result<(), sqlx::Error> {
    let mut sql = "SELECT 1".to_owned();
    for table in tables {
        // Writing to a text cannot fail.
        let _ = write!(sql, " UNION ALL SELECT COUNT({}) FROM {} WHERE 1 = 0", table.column, table.name);
    }
    connection.query(AssertSqlSafe(sql)).fetch_all(connection.executor()).await.map(drop)
}

/// Rejects a schema whose migrations are applied and whose tables are not those that they made.
pub(super) async fn reject_changed_tables(
    url: &DatabaseUrl,
    connection: &mut Connection,
    migrations: &Migrations,
    existing: &Existing,
) -> Result<(), OpenError> {
    if let Some(table) = migrations.tables.iter().find(|table| !existing.contains(table.name)) {
        return Err(OpenError::MissingTable {
            url: url.clone(),
            table: table.name,
            migration: table.migration,
        });
    }
    for table in migrations.tables {
        match check_tables(connection, std::slice::from_ref(table)).await {
            Ok(()) => {}
            Err(error) if connection.dialect.is_unknown_column(&error) => {
                let why = format!("it has no column {}", table.column);
                return Err(OpenError::foreign_table(url, migrations.service, table.name, &why));
            }
            Err(source) if source.as_database_error().is_some() => {
                let why = Cause(&source).to_string();
                return Err(OpenError::UnreadableTable { url: url.clone(), table: table.name, why });
            }
            Err(error) => return Err(OpenError::connect(url)(error)),
        }
    }
    reject_other_character_sets(url, connection, migrations).await
}

/// The text columns of MySQL and their collations.
const TEXT_COLUMNS: &str =
    "SELECT CAST(table_name AS CHAR), CAST(column_name AS CHAR), CAST(collation_name AS CHAR)
     FROM information_schema.columns WHERE table_schema = DATABASE() AND collation_name IS NOT NULL";

/// Rejects tables of MySQL that were converted to another character set, which refuses some texts, or to
/// another kind of collation, for which some different keys are equal.
async fn reject_other_character_sets(
    url: &DatabaseUrl,
    connection: &mut Connection,
    migrations: &Migrations,
) -> Result<(), OpenError> {
    if connection.dialect != Dialect::MySql || migrations.tables.is_empty() {
        return Ok(());
    }
    let failed = OpenError::connect(url);
    let rows = connection.query(TEXT_COLUMNS).fetch_all(connection.executor()).await.map_err(&failed)?;
    for row in rows {
        let text = |index| row.try_get::<String, _>(index).map_err(&failed);
        let (table, column, collation) = (text(0)?, text(1)?, text(2)?);
        let is_own = migrations.tables.iter().any(|own| own.name == table);
        if is_own && !(collation.starts_with("utf8mb4_") && collation.ends_with("_bin")) {
            let setting =
                format!("the collation of {table}.{column} is {collation}, and must be utf8mb4_bin");
            return Err(OpenError::Encoding { url: url.clone(), setting });
        }
    }
    Ok(())
}
