//! `mysql://…` and `postgres://…`, in which every part is percent-encoded.

use super::{
    Driver, address,
    parameters::{self, Form},
    server::Server,
};

/// What follows the scheme. `None`, or a server that is not to be used, where faults were recorded.
pub(super) fn parse(driver: Driver, text: &str, faults: &mut Vec<String>) -> Option<Server> {
    let (form, port_default): (&Form, u16) = match driver {
        Driver::Postgres => (&parameters::POSTGRES, 5432),
        Driver::MySql | Driver::Sqlite => (&parameters::MYSQL, 3306),
    };
    let (before, query) = text.split_once('?').unwrap_or((text, ""));
    let (authority, path) = before.split_once('/').unwrap_or((before, ""));
    // A password with one of these as it stands would be read as a host, a database or a parameter.
    if text.contains('#') || path.contains('@') || query.contains('@') {
        faults.push(
            "/ ? # @ in a user, a password or a name are written %2F %3F %23 %40, and one is not".to_owned(),
        );
        return None;
    }
    let Some((credentials, host)) = authority.rsplit_once('@') else {
        faults.push("the user, and an @ between it and the host, are missing".to_owned());
        return None;
    };
    let (user, password) = address::credentials(credentials);
    let user = address::required(address::decoded(user, "the user", faults), "the user", faults);
    let password = address::decoded(password, "the password", faults);
    let mut settings = parameters::read(query, form, faults);
    let (host, port) = address::host_and_port(host, settings.socket.take(), port_default, faults);
    let database = address::database(path, faults);
    Some(Server { driver, user, password: password.into(), host, port, database, settings })
}
