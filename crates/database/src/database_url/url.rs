//! `mysql://…` and `postgres://…`, with percent-encoded parts.

use super::{
    Driver, address,
    parameters::{self, Form},
    server::Server,
};

/// Parses the text after the scheme. The result is unusable if `errors` is not empty.
pub(super) fn parse(driver: Driver, text: &str, errors: &mut Vec<String>) -> Option<Server> {
    let (form, port_default): (&Form, u16) = match driver {
        Driver::Postgres => (&parameters::POSTGRES, 5432),
        Driver::MySql | Driver::Sqlite => (&parameters::MYSQL, 3306),
    };
    let (before, query) = text.split_once('?').unwrap_or((text, ""));
    let (authority, path) = before.split_once('/').unwrap_or((before, ""));
    // An unencoded character in a password would change the host, the database or a parameter.
    if text.contains('#') || path.contains('@') || query.contains('@') {
        errors.push(
            "/ ? # @ in a user, a password or a name are written %2F %3F %23 %40, and one is not".to_owned(),
        );
        return None;
    }
    let Some((credentials, host)) = authority.rsplit_once('@') else {
        errors.push("the user, and an @ between it and the host, are missing".to_owned());
        return None;
    };
    let (user, password) = address::credentials(credentials);
    let user = address::required(address::decoded(user, "the user", errors), "the user", errors);
    let password = address::decoded(password, "the password", errors);
    let mut settings = parameters::parse(query, form, errors);
    let (host, port) = address::host_and_port(host, settings.socket.take(), port_default, errors);
    let database = address::database(path, errors);
    Some(Server { driver, user, password: password.into(), host, port, database, settings })
}
