//! `user:password@tcp(host:3306)/database?…`, read as `ParseDSN` of go-sql-driver/mysql reads it.
//!
//! The last `/` ends the address, the last `@` before it the password, and the first `:` the user. So a
//! password may hold each of them, and is taken as it stands; only the database's name and the parameters are
//! percent-decoded.

use super::{
    Driver, address, parameters,
    server::{Host, Server},
};

const PORT: u16 = 3306;

/// `None`, or a server that is not to be used, where faults were recorded.
pub(super) fn parse(text: &str, faults: &mut Vec<String>) -> Option<Server> {
    let Some((before, after)) = text.rsplit_once('/') else {
        faults.push("the / before the database's name is missing".to_owned());
        return None;
    };
    let (credentials, network) = before.rsplit_once('@').unwrap_or(("", before));
    // What is malformed here may be a part of the password, and what follows too: nothing more is looked at.
    let (host, port) = dialled(network, faults)?;
    let (user, password) = address::credentials(credentials);
    let (database, query) = after.split_once('?').unwrap_or((after, ""));
    Some(Server {
        driver: Driver::MySql,
        user: address::required(address::plain(user, "the user", faults), "the user", faults),
        password: address::plain(password, "the password", faults).into(),
        host,
        port,
        database: address::database(database, faults),
        settings: parameters::read(query, &parameters::GO, faults),
    })
}

fn dialled(network: &str, faults: &mut Vec<String>) -> Option<(Host, u16)> {
    let parts = match network.split_once('(') {
        Some((protocol, rest)) => rest.strip_suffix(')').map(|address| (protocol, address)),
        None => Some((network, "")),
    };
    match parts {
        Some(("" | "tcp", "")) => Some((Host::Name("127.0.0.1".to_owned()), PORT)),
        Some(("" | "tcp", address)) => Some(address::host_and_port(address, None, PORT, faults)),
        Some(("unix", path)) if path.starts_with('/') => {
            Some((Host::Socket(address::plain(path, "the socket's path", faults)), PORT))
        }
        _ => {
            faults.push(
                "between the last @ and the last / stands neither tcp(host:port) nor unix(/path) \
                 (a / in a parameter is written %2F)"
                    .to_owned(),
            );
            None
        }
    }
}
