//! `user:password@tcp(host:3306)/database?…`, parsed as by `ParseDSN` of go-sql-driver/mysql.
//!
//! The last `/` ends the address, the last `@` before it ends the password, and the first `:` ends the user.
//! So a password may contain these characters. Only the database's name and the parameters are
//! percent-decoded.

use super::{
    Driver,
    address::{self, Host},
    parameters,
    server::Server,
};

const PORT: u16 = 3306;

/// Parses a DSN. The result is unusable if `errors` is not empty.
pub(super) fn parse(text: &str, errors: &mut Vec<String>) -> Option<Server> {
    let Some((before, after)) = text.rsplit_once('/') else {
        errors.push("the / before the database's name is missing".to_owned());
        return None;
    };
    let (credentials, network) = before.rsplit_once('@').unwrap_or(("", before));
    // A malformed address may be part of the password, like the rest: parsing stops here.
    let (host, port) = address_of(network, errors)?;
    let (user, password) = address::credentials(credentials);
    let (database, query) = after.split_once('?').unwrap_or((after, ""));
    Some(Server {
        driver: Driver::MySql,
        user: address::required(address::plain(user, "the user", errors), "the user", errors),
        password: address::plain(password, "the password", errors).into(),
        host,
        port,
        database: address::database(database, errors),
        settings: parameters::parse(query, &parameters::GO, errors),
    })
}

fn address_of(network: &str, errors: &mut Vec<String>) -> Option<(Host, u16)> {
    let parts = match network.split_once('(') {
        Some((protocol, rest)) => rest.strip_suffix(')').map(|address| (protocol, address)),
        None => Some((network, "")),
    };
    match parts {
        Some(("" | "tcp", "")) => Some((Host::Name("127.0.0.1".to_owned()), PORT)),
        Some(("" | "tcp", address)) => Some(address::host_and_port(address, None, PORT, errors)),
        Some(("unix", path)) if path.starts_with('/') => {
            Some((Host::Socket(address::plain(path, "the socket's path", errors)), PORT))
        }
        _ => {
            errors.push(
                "neither tcp(host:port) nor unix(/path) is between the last @ and the last / \
                 (a / in a parameter is written %2F)"
                    .to_owned(),
            );
            None
        }
    }
}
