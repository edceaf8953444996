//! A service that starts with an invalid environment: its exit code and its error messages.

use std::{
    net::{SocketAddr, TcpListener},
    path::Path,
};

use system_tests::service_process::{Vars, command};
use test_support::{Failed, Trial, check, output, texts, trial};

/// `EX_USAGE` and `EX_UNAVAILABLE` of sysexits.
const EXIT_CONFIGURATION: i32 = 64;
const EXIT_UNAVAILABLE: i32 = 69;

/// The required variables of each service.
const REQUIRED: [(&str, &[&str]); 3] = [
    ("gateway", &["APPLICATION_PORT", "ENV", "ORDER_SERVICE_URL"]),
    ("order", &["APPLICATION_PORT", "ENV", "DB_DRIVER", "DATA_SOURCE_URL", "PAYMENT_SERVICE_URL"]),
    ("payment", &["APPLICATION_PORT", "ENV", "DB_DRIVER", "DATA_SOURCE_URL"]),
];

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("environment::every_missing_variable_gets_a_line", &[], all_are_missing),
        trial("environment::invalid_variables_fail_the_start_before_any_bind", &[], one_is_missing),
        trial("environment::invalid_value_is_shown_with_the_accepted_ones", &[], one_is_invalid),
        trial("environment::database_url_is_never_shown", &[], secret_is_invalid),
    ]
}

/// A complete environment of any service, with an address in use and databases in `data`.
fn complete(service: &str, data: &Path, in_use: SocketAddr) -> Vars {
    let value = |name: &str| match name {
        "APPLICATION_PORT" => in_use.port().to_string(),
        "ENV" => "production".to_owned(),
        "DB_DRIVER" => "sqlite".to_owned(),
        "DATA_SOURCE_URL" => format!("sqlite://{}/{service}.db", data.display()),
        _ => "localhost:3001".to_owned(),
    };
    let required = REQUIRED.iter().filter(|(name, _)| *name == service).flat_map(|(_, names)| *names);
    let mut vars: Vars = required.map(|name| (*name, value(name))).collect();
    vars.push(("BIND_ADDRESS", in_use.ip().to_string()));
    vars.push(("ADMIN_ADDRESS", in_use.to_string()));
    vars.push(("AUTH", "none".to_owned()));
    vars.push(("PRICE_LIST", "none".to_owned()));
    vars
}

/// Starts a service that fails. Returns its exit code and the lines on stderr.
async fn start(service: &str, vars: &[(&str, String)]) -> Result<(Option<i32>, Vec<String>), Failed> {
    let output = output(&mut command(crate::PROGRAM, service, vars)).await?;
    let (stdout, stderr) = texts(&output);
    check(stdout.is_empty(), || format!("{service} printed {stdout}"))?;
    Ok((output.status.code(), stderr.lines().map(str::to_owned).collect()))
}

async fn all_are_missing() -> Result<(), Failed> {
    for (service, names) in REQUIRED {
        let (code, mut lines) = start(service, &[]).await?;
        let mut expected: Vec<String> =
            names.iter().map(|name| format!("{name} environment variable is missing.")).collect();
        lines.sort();
        expected.sort();
        check(code == Some(EXIT_CONFIGURATION) && lines == expected, || {
            format!("{service}: {code:?} {lines:#?}")
        })?;
    }
    Ok(())
}

/// The address is in use: a service that tried to bind would exit with another code.
async fn one_is_missing() -> Result<(), Failed> {
    let (data, listener) = (tempfile::tempdir()?, TcpListener::bind("127.0.0.1:0")?);
    let in_use = listener.local_addr()?;
    for (service, names) in REQUIRED {
        let complete = complete(service, data.path(), in_use);
        for missing in names {
            let vars: Vars = complete.iter().filter(|(name, _)| name != missing).cloned().collect();
            let (code, lines) = start(service, &vars).await?;
            let expected = [format!("{missing} environment variable is missing.")];
            check(code == Some(EXIT_CONFIGURATION) && lines == expected, || {
                format!("{service} without {missing}: {code:?} {lines:#?}")
            })?;
        }
        check(data.path().read_dir()?.next().is_none(), || format!("{service} created a database"))?;
        let (code, lines) = start(service, &complete).await?;
        let shown = lines.iter().any(|line| line.contains(&in_use.to_string()));
        check(code == Some(EXIT_UNAVAILABLE) && shown, || {
            format!("{service} with all variables: {code:?} {lines:#?}")
        })?;
        std::fs::remove_file(data.path().join(format!("{service}.db"))).ok();
    }
    Ok(())
}

async fn one_is_invalid() -> Result<(), Failed> {
    let (data, listener) = (tempfile::tempdir()?, TcpListener::bind("127.0.0.1:0")?);
    let invalid = [
        ("APPLICATION_PORT", "http"),
        ("APPLICATION_PORT", "65536"),
        ("ENV", "staging"),
        ("DB_DRIVER", "oracle"),
        ("PAYMENT_SERVICE_URL", "ftp://payment:3001"),
        ("ORDER_SERVICE_URL", "localhost"),
        ("ORDER_SERVICE_URL", "order-1:3000,order-2"),
        ("BIND_ADDRESS", "everywhere"),
        ("ADMIN_ADDRESS", "9000"),
    ];
    for (service, _) in REQUIRED {
        let complete = complete(service, data.path(), listener.local_addr()?);
        let used = |name: &str| complete.iter().any(|(own, _)| *own == name);
        for (name, value) in invalid.iter().filter(|(name, _)| used(name)) {
            let mut vars = complete.clone();
            vars.push((name, (*value).to_owned()));
            let (code, lines) = start(service, &vars).await?;
            let expected = format!("{name} environment variable is invalid: found \"{value}\"; accepted: ");
            check(
                code == Some(EXIT_CONFIGURATION) && lines.len() == 1 && lines[0].starts_with(&expected),
                || format!("{service} with {name}={value}: {code:?} {lines:#?}"),
            )?;
            let (_, last) = value.rsplit_once(',').unwrap_or_default();
            check(last.is_empty() || lines[0].ends_with(&format!("{last}\" has no port number.")), || {
                lines[0].clone()
            })?;
        }
    }
    Ok(())
}

async fn secret_is_invalid() -> Result<(), Failed> {
    const PASSWORD: &str = "hunter2";
    let (data, listener) = (tempfile::tempdir()?, TcpListener::bind("127.0.0.1:0")?);
    for service in ["order", "payment"] {
        for driver in ["sqlite", "mysql", "postgres"] {
            let mut vars = complete(service, data.path(), listener.local_addr()?);
            vars.push(("DB_DRIVER", driver.to_owned()));
            vars.push(("DATA_SOURCE_URL", format!("redis://root:{PASSWORD}@localhost/{service}")));
            let (code, lines) = start(service, &vars).await?;
            let named = lines.len() == 1
                && lines[0].starts_with("DATA_SOURCE_URL ")
                && lines[0].contains("; accepted");
            let shown = lines.iter().any(|line| line.contains(PASSWORD));
            check(code == Some(EXIT_CONFIGURATION) && named && !shown, || {
                format!("{service} with {driver}: {code:?} {lines:#?}")
            })?;
        }
    }
    Ok(())
}
