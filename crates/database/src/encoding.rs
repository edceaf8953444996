//! Checks that a database stores every text: names, keys and reasons of both services are Unicode.

use sqlx::Row;

use crate::{DatabaseUrl, OpenError, dialect::Dialect, transaction::Connection};

/// Rejects a PostgreSQL database that cannot store every character. `SQL_ASCII` stores the bytes of UTF-8
/// unchanged. (MySQL has a character set per column, see `migrations::tables`; SQLite stores Unicode.)
pub(crate) async fn check(url: &DatabaseUrl, connection: &mut Connection) -> Result<(), OpenError> {
    if connection.dialect != Dialect::Postgres {
        return Ok(());
    }
    let failed = OpenError::connect(url);
    let query = "SELECT current_setting('server_encoding')::text, current_setting('client_encoding')::text";
    let row = connection.query(query).fetch_one(connection.executor()).await.map_err(&failed)?;
    for (index, name, accepted) in
        [(0, "server_encoding", ["UTF8", "SQL_ASCII"].as_slice()), (1, "client_encoding", &["UTF8"])]
    {
        let value: String = row.try_get(index).map_err(&failed)?;
        if !accepted.contains(&value.as_str()) {
            let setting = format!("{name} is {value}, and must be {}", accepted.join(" or "));
            return Err(OpenError::Encoding { url: url.clone(), setting });
        }
    }
    Ok(())
}
