//! Errors by which a database refuses the data of a statement. The same statement fails the same way again.

use sqlx::{error::ErrorKind, mysql::MySqlDatabaseError, postgres::PgDatabaseError};

/// MySQL's and MariaDB's errors of that kind outside of SQLSTATE class 22: incorrect or truncated value (1265,
/// 1292, 1366), no default (1364), row too large (1118), invalid text (1300), mixed collations (1267),
/// violated check (3819, 4025), no conversion between character sets (3988).
const MYSQL: [u16; 10] = [1118, 1265, 1267, 1292, 1300, 1364, 1366, 3819, 3988, 4025];
/// SQLite: too big (18), mismatch (20), violated type of a strict table (3091).
const SQLITE: [u32; 3] = [18, 20, 3091];

/// Whether the database refused the data of a statement: a text, number or document that a column or the
/// character set does not hold, or a violated constraint other than a unique key. Nothing was written.
pub fn is_data_error(error: &sqlx::Error) -> bool {
    let error = match error {
        sqlx::Error::Database(error) => &**error,
        sqlx::Error::Encode(_) => return true,
        _ => return false,
    };
    if matches!(
        error.kind(),
        ErrorKind::NotNullViolation | ErrorKind::CheckViolation | ErrorKind::ForeignKeyViolation
    ) {
        return true;
    }
    let state = error.code().unwrap_or_default();
    if error.try_downcast_ref::<PgDatabaseError>().is_some() {
        // Data exceptions; limits of the server, an index row that is too large for instance.
        return state.starts_with("22") || state.starts_with("54");
    }
    match error.try_downcast_ref::<MySqlDatabaseError>() {
        Some(error) => state.starts_with("22") || MYSQL.contains(&error.number()),
        None => state.parse::<u32>().is_ok_and(|code| SQLITE.contains(&code)),
    }
}
