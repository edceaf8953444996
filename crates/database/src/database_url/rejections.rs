//! Tests of the messages for invalid URLs; none may show the password.

use super::*;

pub(super) fn error(driver: &str, url: &str) -> String {
    let error = DatabaseUrl::parse(driver, url).unwrap_err();
    assert!(!error.is_about_driver(), "{url}");
    let text = format!("{error} {error:?}");
    assert!(!text.contains("hunter2"), "{text}");
    error.to_string()
}

#[test]
fn each_error_has_its_message() {
    for (driver, url, message) in [
        ("mysql", "", "the / before the database's name is missing"),
        ("mysql", "u:hunter2@tcp(h:1)", "the / before"),
        ("mysql", "u:hunter2@tcp(h:1)/", "the database's name is missing"),
        ("mysql", ":hunter2@tcp(h:1)/d", "the user is missing"),
        ("mysql", "u:hunter2@h:1/d", "neither tcp(host:port) nor unix(/path)"),
        ("mysql", "u:hunter2@udp(h:1)/d", "neither tcp(host:port) nor unix(/path)"),
        ("mysql", "u:hunter2@tcp(h:1/d", "neither tcp(host:port) nor unix(/path)"),
        ("mysql", "u:hunter2@unix(x.sock)/d", "neither tcp(host:port) nor unix(/path)"),
        ("mysql", "u:hunter2@tcp(h:1)/d?loc=Asia/Tokyo", "a / in a parameter is written %2F"),
        ("mysql", "u:hunter2@tcp(:1)/d", "the host is missing"),
        ("mysql", "u:hunter2@tcp(h:0)/d", "the port is not a number from 1 to 65535"),
        ("mysql", "u:hunter2@tcp(h:65536)/d", "the port is not"),
        ("mysql", "u:hunter2@tcp(h:+1)/d", "the port is not"),
        ("mysql", "u:hunter2@tcp(::1)/d", "no IPv6 address in brackets"),
        ("mysql", "u:hunter2\n@tcp(h:1)/d", "the password holds a control character"),
        ("mysql", "u:hunter2@tcp(h:1)/%ff", "the database's name is not UTF-8"),
        ("mysql", "u:hunter2@tcp(h:1)/%zz", "the database's name has a % without"),
        ("mysql", "postgres://u:hunter2@h:1/d", "neither tcp"),
        ("mysql", "mysql://u:hunter2@h:1", "the database's name is missing"),
        ("mysql", "mysql://:hunter2@h/d", "the user is missing"),
        ("mysql", "mysql://h/d", "the user, and an @ between it and the host, are missing"),
        ("postgres", "mysql://u:hunter2@h/d", "it does not start with postgres:// or postgresql://"),
        ("postgres", "postgres://u:hunter2@/d", "the host is missing"),
        ("postgres", "postgres://u:hunter2@h:/d", "the port is not"),
        ("postgres", "postgres://u:hunter2@a,b/d", "the host holds other characters"),
        ("postgres", "postgres://u:hunter2@[::1/d", "no IPv6 address in brackets"),
        ("postgres", "postgres://u:hunter2@h/..", "the database's name is . or .."),
        ("postgres", "postgres://u:hunter2%ff@h/d", "the password is not UTF-8"),
        ("postgres", "postgres://u:hunter2%00@h/d", "the password holds a control character"),
        ("postgres", "postgres://u:hunter2%é@h/d", "the password has a % without"),
        ("postgres", "postgres://u:100%@h/d", "(write % itself as %25)"),
        ("postgres", "postgres://u:a/hunter2@h/d", "/ ? # @ in a user, a password"),
        ("postgres", "postgres://u:1?hunter2@h/d", "/ ? # @ in a user, a password"),
        ("postgres", "postgres://u:1#hunter2@h/d", "/ ? # @ in a user, a password"),
    ] {
        let error = error(driver, url);
        assert!(error.contains(message), "{url}: {error}");
        assert!(error.contains(&format!("accepted with the driver {driver}: ")), "{error}");
    }
}

#[test]
fn an_invalid_parameter_is_named_without_its_value() {
    for (driver, url, message) in [
        ("mysql", "u@/d?charset=utf8", "the parameter charset is not utf8mb4 or a list with it"),
        ("mysql", "u@/d?collation=utf8mb4_bin;DROP", "the parameter collation is not a collation of utf8mb4"),
        ("mysql", "u@/d?collation=latin1_bin", "the parameter collation is not"),
        ("mysql", "u@/d?tls=hunter2", "the parameter tls is not true, false, skip-verify or preferred"),
        ("mysql", "u@/d?timeout=30", "the parameter timeout is not a duration such as 30s"),
        ("mysql", "u@/d?readTimeout=-1s", "the parameter readTimeout is not a duration"),
        ("mysql", "u@/d?sql_mode=hunter2", "the parameter sql_mode is unknown (accepted: charset, collation"),
        ("mysql", "u:pa/ss?hunter2@tcp(h:1)", "neither tcp(host:port)"),
        ("mysql", "u@/d?hunter2@tcp(h:1)", "whose name is not shown is unknown"),
        ("mysql", "mysql://u@h/d?tls=true", "the parameter tls is unknown (accepted: ssl-mode"),
        ("mysql", "mysql://u@h/d?ssl-mode=on", "the parameter ssl-mode is not DISABLED"),
        ("mysql", "mysql://u@h/d?ssl-ca=", "the parameter ssl-ca is not the path of a PEM file"),
        ("mysql", "mysql://u@h/d?socket=x", "the parameter socket is not the absolute path"),
        ("postgres", "postgres://u@h/d?sslmode=on", "the parameter sslmode is not disable"),
        ("postgres", "postgres://u@h/d?host=other", "the parameter host is not the absolute path"),
        ("postgres", "postgres://u@h/d?password=hunter2", "the parameter password is unknown"),
        ("postgres", "postgres://u@h/d?options=-c%20fsync=off", "the parameter options is unknown"),
        ("postgres", "postgres://u@h/d?connect_timeout=1s", "not a whole number of seconds"),
        ("postgres", "postgres://u@h/d?application_name=%0a", "application_name holds a control character"),
    ] {
        let error = error(driver, url);
        assert!(error.contains(message), "{url}: {error}");
    }
}

#[test]
fn every_error_is_reported_at_once() {
    let error = error("mysql", "mysql://:%ffhunter2@:0/?charset=latin1&x=y&ssl-mode=z");
    for message in
        ["user", "password", "host", "port", "database's name", "charset", "parameter x", "ssl-mode"]
    {
        assert!(
            error.contains(&format!("the {message}")) || error.contains(&format!("parameter {message}")),
            "{error}"
        );
    }
}
