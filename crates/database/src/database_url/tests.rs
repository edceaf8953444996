//! Tests of the URL forms, and of sqlx's reading of the result.

use std::time::Duration;

use sqlx::{
    mysql::{MySqlConnectOptions, MySqlSslMode},
    postgres::{PgConnectOptions, PgSslMode},
};

use super::{rejections::error, *};

/// Characters with a meaning in URLs, and others.
const AWKWARD: &str = "a@b/c:d%e\\f#g?h&i='\"+ é😀%20[.]~,;(x)";

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

fn server(driver: &str, url: &str) -> Server {
    match &*DatabaseUrl::parse(driver, url).unwrap().0 {
        Location::MySql(server) | Location::Postgres(server) => server.clone(),
        Location::Sqlite(path) => panic!("{}", path.display()),
    }
}

fn mysql(url: &str) -> MySqlConnectOptions {
    server("mysql", url).url().parse().unwrap()
}

fn postgres(url: &str) -> PgConnectOptions {
    server("postgres", url).url().parse().unwrap()
}

/// Checks the password by `Debug`: sqlx has no getter.
fn has_password(options: &impl fmt::Debug, password: &str) -> bool {
    format!("{options:?}").contains(&format!("password: Some({password:?})"))
}

#[test]
fn a_sqlite_url_is_a_literal_path() {
    for (url, path) in [
        ("sqlite:///data/x.db", "/data/x.db"),
        ("sqlite://./data/x.db", "./data/x.db"),
        ("sqlite://x.db", "x.db"),
        ("sqlite:///a b/%20#1.db", "/a b/%20#1.db"),
    ] {
        let parsed = DatabaseUrl::parse("sqlite", url).unwrap();
        assert!(parsed == DatabaseUrl(Arc::new(Location::Sqlite(path.into()))), "{url}");
        assert_eq!(parsed.to_string(), url);
    }
}

#[test]
fn a_url_without_a_file_is_rejected_without_being_shown() {
    for url in [
        "",
        "x.db",
        "sqlite:x.db",
        "sqlite://",
        "sqlite:///",
        "sqlite://data/",
        "sqlite://:memory:",
        "sqlite:///x.db?mode=rwc",
        "mysql://root:hunter2@localhost/order",
        "root:hunter2@tcp(localhost:3306)/order",
    ] {
        let error = error("sqlite", url);
        assert!(error.contains("it names no file") && error.contains("sqlite:///"), "{error}");
    }
}

#[test]
fn an_unknown_driver_is_shown_unless_it_may_be_a_url() {
    let error = DatabaseUrl::parse("oracle", "x").unwrap_err().to_string();
    assert_eq!(error, "found \"oracle\"; accepted: sqlite, mysql or postgres");
    let error = DatabaseUrl::parse("root:hunter2@tcp(db:3306)/order", "mysql").unwrap_err();
    assert!(error.is_about_driver() && !error.to_string().contains("hunter2"), "{error}");
}

#[test]
fn the_example_of_the_go_form_is_parsed() {
    let url = "user:pass@tcp(host:3306)/db?charset=utf8mb4&parseTime=True&loc=Local";
    assert_eq!(DatabaseUrl::parse("mysql", url).unwrap().to_string(), "mysql://user@host:3306/db");
    let options = mysql(url);
    assert_eq!((options.get_host(), options.get_port()), ("host", 3306));
    assert_eq!((options.get_username(), options.get_database()), ("user", Some("db")));
    assert_eq!((options.get_charset(), options.get_collation()), ("utf8mb4", None));
    assert!(has_password(&options, "pass"));
    let options = mysql("root:verysecretpass@tcp(127.0.0.1:3306)/payment");
    assert_eq!((options.get_host(), options.get_database()), ("127.0.0.1", Some("payment")));
    assert!(has_password(&options, "verysecretpass"));
}

#[test]
fn any_password_and_name_round_trip() {
    let part = encoded(AWKWARD);
    for url in [
        format!("mysql://{part}:{part}@host:1/{part}"),
        // In the DSN a user ends at the first colon, and only the database's name is decoded.
        format!("a@b:{AWKWARD}@tcp(host:1)/{part}"),
    ] {
        let options = mysql(&url);
        let user = if url.starts_with("mysql") { AWKWARD } else { "a@b" };
        assert_eq!((options.get_username(), options.get_database()), (user, Some(AWKWARD)));
        assert_eq!((options.get_host(), options.get_port()), ("host", 1));
        assert!(has_password(&options, AWKWARD), "{url}");
    }
    for scheme in ["postgres", "postgresql"] {
        let options = postgres(&format!("{scheme}://{part}:{part}@host:1/{part}"));
        assert_eq!((options.get_username(), options.get_database()), (AWKWARD, Some(AWKWARD)));
        assert_eq!((options.get_host(), options.get_port()), ("host", 1));
        assert!(has_password(&options, AWKWARD));
    }
}

#[test]
fn every_character_round_trips_in_a_password() {
    for character in "@/:%\\#?&='\"+ é😀()[]{}<>|^`~!$*,;.-_".chars() {
        for password in [format!("{character}"), format!("a{character}b{character}")] {
            assert!(has_password(&mysql(&format!("u:{password}@tcp(h)/d")), &password), "{password}");
            let part = encoded(&password);
            assert!(has_password(&mysql(&format!("mysql://u:{part}@h/d")), &password), "{password}");
            assert!(has_password(&postgres(&format!("postgres://u:{part}@h/d")), &password), "{password}");
        }
    }
}

#[test]
fn neither_password_nor_parameters_are_shown() {
    for (driver, url, display) in [
        ("mysql", "u:hunter2@tcp(h)/d?tls=true", "mysql://u@h:3306/d"),
        ("mysql", "mysql://u:hunter2@h/d%2F?collation=utf8mb4_bin", "mysql://u@h:3306/d%2F"),
        ("mysql", "u:hunter2@unix(/run/x.sock)/d", "mysql://u@%2Frun%2Fx.sock:3306/d"),
        ("postgres", "postgresql://u:hunter2@[::1]/d?sslmode=require", "postgres://u@[::1]:5432/d"),
    ] {
        let parsed = DatabaseUrl::parse(driver, url).unwrap();
        assert_eq!(parsed.to_string(), display);
        assert_eq!(format!("{parsed:?}"), display);
        assert!(!format!("{:?}", server(driver, url)).contains("hunter2"));
    }
}

#[test]
fn the_go_form_has_defaults() {
    for (url, host, port) in [
        ("u@/d", "127.0.0.1", 3306),
        ("u:p@tcp/d", "127.0.0.1", 3306),
        ("u:p@tcp()/d", "127.0.0.1", 3306),
        ("u:p@tcp(db)/d", "db", 3306),
        ("u:p@tcp(db:65535)/d", "db", 65_535),
        ("u:p@(db:1)/d", "db", 1),
    ] {
        let options = mysql(url);
        assert_eq!((options.get_host(), options.get_port()), (host, port), "{url}");
        assert!(matches!(options.get_ssl_mode(), MySqlSslMode::Preferred));
    }
}

#[test]
fn a_socket_replaces_the_host() {
    for url in [
        "u:p@unix(/run/my sql.sock)/d",
        "mysql://u:p@%2Frun%2Fmy%20sql.sock/d",
        "mysql://u:p@/d?socket=/run/my%20sql.sock",
        "mysql://u:p@localhost/d?socket=/run/my sql.sock",
    ] {
        assert_eq!(mysql(url).get_socket(), Some(&"/run/my sql.sock".into()), "{url}");
    }
    for url in [
        "postgres://u:p@%2Frun%2Fpostgresql:5433/d",
        "postgres://u:p@:5433/d?host=/run/postgresql",
        "postgres://u:p@localhost:5433/d?host=%2Frun%2Fpostgresql",
    ] {
        let options = postgres(url);
        assert_eq!((options.get_socket(), options.get_port()), (Some(&"/run/postgresql".into()), 5433));
    }
}

#[test]
fn postgres_gets_ipv6_addresses_without_brackets() {
    let options = postgres("postgres://u:p@[2001:db8::1]:1/d");
    assert_eq!((options.get_host(), options.get_port()), ("2001:db8::1", 1));
    assert_eq!(server("postgres", "postgres://u:p@[::1]/d").relayed_address(), None);
}

#[test]
fn mysql_reaches_ipv6_addresses_through_the_relay() {
    for url in ["u:p@tcp([2001:db8::1])/d", "mysql://u:p@[2001:db8::1]:3306/d", "u:p@tcp([2001:DB8:0::1])/d"]
    {
        let relayed = server("mysql", url).relayed_address().map(|address| address.to_string());
        assert_eq!(relayed.as_deref(), Some("[2001:db8::1]:3306"), "{url}");
        // A name that TLS accepts and that never resolves.
        assert_eq!((mysql(url).get_host(), mysql(url).get_socket()), ("relayed.invalid", None));
        assert_eq!(DatabaseUrl::parse("mysql", url).unwrap().to_string(), "mysql://u@[2001:db8::1]:3306/d");
    }
    for url in ["u:p@tcp(127.0.0.1)/d", "mysql://u:p@localhost/d", "mysql://u:p@[::1]/d?socket=/run/x.sock"] {
        assert_eq!(server("mysql", url).relayed_address(), None, "{url}");
    }
}

#[test]
fn no_certificate_is_checked_against_an_ipv6_address() {
    for url in ["u:hunter2@tcp([::1])/d?tls=true", "mysql://u:hunter2@[::1]/d?ssl-mode=verify_identity"] {
        assert!(error("mysql", url).contains("give one that resolves to the IPv6 address"), "{url}");
    }
    for url in ["u@tcp([::1])/d?tls=skip-verify", "mysql://u@[::1]/d?ssl-ca=/ca.pem", "u@tcp(h)/d?tls=true"] {
        DatabaseUrl::parse("mysql", url).unwrap();
    }
}

#[test]
fn no_password_is_taken_from_the_environment() {
    assert!(has_password(&postgres("postgres://u@h/d"), ""));
    for url in ["u@/d", "u:@/d", "mysql://u@h/d", "mysql://u:@h/d"] {
        assert!(format!("{:?}", mysql(url)).contains("password: None"), "{url}");
    }
}

#[test]
fn tls_modes_are_passed_to_sqlx() {
    use MySqlSslMode as My;
    for (query, mode) in [
        ("u@/d?tls=true", My::VerifyIdentity),
        ("u@/d?tls=FALSE", My::Disabled),
        ("u@/d?tls=skip-verify", My::Required),
        ("u@/d?tls=preferred", My::Preferred),
        ("mysql://u@h/d", My::Preferred),
        ("mysql://u@h/d?ssl-mode=required", My::Required),
        ("mysql://u@h/d?ssl-mode=VERIFY_IDENTITY&ssl-ca=/ca.pem", My::VerifyIdentity),
        ("mysql://u@h/d?ssl-ca=/ca.pem", My::VerifyCa),
    ] {
        let options = mysql(query);
        assert_eq!(format!("{:?}", options.get_ssl_mode()), format!("{mode:?}"), "{query}");
    }
    use PgSslMode as Pg;
    for (query, mode) in [
        ("", Pg::Prefer),
        ("?sslmode=disable", Pg::Disable),
        ("?sslmode=require", Pg::Require),
        ("?sslmode=require&sslrootcert=/ca.pem", Pg::VerifyCa),
        ("?sslmode=verify-full&sslrootcert=/ca.pem&sslcert=/c.pem&sslkey=/k.pem", Pg::VerifyFull),
    ] {
        let options = postgres(&format!("postgres://u@h/d{query}"));
        assert_eq!(format!("{:?}", options.get_ssl_mode()), format!("{mode:?}"), "{query}");
        for file in ["/ca.pem", "/c.pem", "/k.pem"] {
            assert_eq!(query.contains(file), format!("{options:?}").contains(file), "{query}");
        }
    }
}

#[test]
fn other_parameters_are_passed_to_sqlx() {
    let options = mysql("u@/d?charset=utf8mb4,utf8&collation=utf8mb4_0900_ai_ci&multiStatements=true");
    assert_eq!(options.get_collation(), Some("utf8mb4_0900_ai_ci"));
    let options = postgres("postgres://u@h/d?application_name=order%20%26%20co");
    assert_eq!(options.get_application_name(), Some("order & co"));
}

#[test]
fn timeouts_have_the_units_of_their_form() {
    for (driver, url, connect, io) in [
        ("mysql", "u@/d", None, None),
        ("mysql", "u@/d?timeout=1m30s", Some(90), None),
        ("mysql", "u@/d?timeout=0&readTimeout=2s&writeTimeout=1s", None, Some(2)),
        ("mysql", "u@/d?readTimeout=0s&writeTimeout=1s", None, Some(1)),
        ("postgres", "postgres://u@h/d?connect_timeout=7", Some(7), None),
        ("postgres", "postgres://u@h/d?connect_timeout=0", None, None),
    ] {
        let server = server(driver, url);
        assert_eq!(server.connect_timeout(), connect.map(Duration::from_secs), "{url}");
        assert_eq!(server.io_timeout(), io.map(Duration::from_secs), "{url}");
    }
}
