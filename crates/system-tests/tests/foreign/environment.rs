//! What a service says to whoever starts it with a wrong environment.

use std::{
    net::{SocketAddr, TcpListener},
    path::Path,
};

use test_support::{Failed, Trial, check, output, texts, trial};

use crate::service::command;

/// `EX_USAGE` and `EX_UNAVAILABLE` of sysexits.
const EXIT_CONFIGURATION: i32 = 64;
const EXIT_UNAVAILABLE: i32 = 69;

/// The variables that each service requires.
const REQUIRED: [(&str, &[&str]); 3] = [
    ("gateway", &["APPLICATION_PORT", "ENV", "ORDER_SERVICE_URL"]),
    ("order", &["APPLICATION_PORT", "ENV", "DB_DRIVER", "DATA_SOURCE_URL", "PAYMENT_SERVICE_URL"]),
    ("payment", &["APPLICATION_PORT", "ENV", "DB_DRIVER", "DATA_SOURCE_URL"]),
];

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("every_missing_variable_gets_a_line", &[], nothing_is_given),
        trial("a_wrong_environment_is_refused_before_anything_is_bound", &[], one_is_missing),
        trial("an_unparsable_variable_is_shown_with_what_is_accepted", &[], one_is_unparsable),
        trial("a_database_url_is_never_shown", &[], a_secret_is_unparsable),
    ]
}

type Environment = Vec<(&'static str, String)>;

/// A complete environment of any service, at an address that is taken and with databases in `data`.
fn complete(service: &str, data: &Path, taken: SocketAddr) -> Environment {
    let value = |name: &str| match name {
        "APPLICATION_PORT" => taken.port().to_string(),
        "ENV" => "production".to_owned(),
        "DB_DRIVER" => "sqlite".to_owned(),
        "DATA_SOURCE_URL" => format!("sqlite://{}/{service}.db", data.display()),
        _ => "localhost:3001".to_owned(),
    };
    let required = REQUIRED.iter().filter(|(name, _)| *name == service).flat_map(|(_, names)| *names);
    let mut environment: Environment = required.map(|name| (*name, value(name))).collect();
    environment.push(("BIND_ADDRESS", taken.ip().to_string()));
    environment.push(("ADMIN_ADDRESS", taken.to_string()));
    environment.push(("AUTH", "none".to_owned()));
    environment
}

/// The exit code and the lines on stderr of a service that does not start.
async fn refused(
    service: &str,
    environment: &[(&str, String)],
) -> Result<(Option<i32>, Vec<String>), Failed> {
    let output = output(&mut command(service, environment)).await?;
    let (stdout, stderr) = texts(&output);
    check(stdout.is_empty(), || format!("{service} printed {stdout}"))?;
    Ok((output.status.code(), stderr.lines().map(str::to_owned).collect()))
}

async fn nothing_is_given() -> Result<(), Failed> {
    for (service, names) in REQUIRED {
        let (code, mut lines) = refused(service, &[]).await?;
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

/// Had the service tried to bind, it would have failed with another code: the address is taken.
async fn one_is_missing() -> Result<(), Failed> {
    let (data, holder) = (tempfile::tempdir()?, TcpListener::bind("127.0.0.1:0")?);
    let taken = holder.local_addr()?;
    for (service, names) in REQUIRED {
        let complete = complete(service, data.path(), taken);
        for name in names {
            let rest: Environment = complete.iter().filter(|(given, _)| given != name).cloned().collect();
            let (code, lines) = refused(service, &rest).await?;
            let expected = [format!("{name} environment variable is missing.")];
            check(code == Some(EXIT_CONFIGURATION) && lines == expected, || {
                format!("{service} without {name}: {code:?} {lines:#?}")
            })?;
        }
        check(data.path().read_dir()?.next().is_none(), || format!("{service} made a database"))?;
        let (code, lines) = refused(service, &complete).await?;
        let named = lines.iter().any(|line| line.contains(&taken.to_string()));
        check(code == Some(EXIT_UNAVAILABLE) && named, || {
            format!("{service} with all: {code:?} {lines:#?}")
        })?;
        std::fs::remove_file(data.path().join(format!("{service}.db"))).ok();
    }
    Ok(())
}

async fn one_is_unparsable() -> Result<(), Failed> {
    let (data, holder) = (tempfile::tempdir()?, TcpListener::bind("127.0.0.1:0")?);
    let wrong = [
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
        let complete = complete(service, data.path(), holder.local_addr()?);
        for (name, value) in wrong.iter().filter(|(name, _)| complete.iter().any(|(given, _)| given == name))
        {
            let mut environment = complete.clone();
            environment.push((name, (*value).to_owned()));
            let (code, lines) = refused(service, &environment).await?;
            let start = format!("{name} environment variable is invalid: found \"{value}\"; accepted: ");
            check(
                code == Some(EXIT_CONFIGURATION) && lines.len() == 1 && lines[0].starts_with(&start),
                || format!("{service} with {name}={value}: {code:?} {lines:#?}"),
            )?;
            let (_, part) = value.rsplit_once(',').unwrap_or_default();
            check(lines[0].ends_with(&format!("{part}\" has no port number.")) || part.is_empty(), || {
                lines[0].clone()
            })?;
        }
    }
    Ok(())
}

async fn a_secret_is_unparsable() -> Result<(), Failed> {
    const PASSWORD: &str = "hunter2";
    let (data, holder) = (tempfile::tempdir()?, TcpListener::bind("127.0.0.1:0")?);
    for service in ["order", "payment"] {
        for driver in ["sqlite", "mysql", "postgres"] {
            let mut environment = complete(service, data.path(), holder.local_addr()?);
            environment.push(("DB_DRIVER", driver.to_owned()));
            environment.push(("DATA_SOURCE_URL", format!("redis://root:{PASSWORD}@localhost/{service}")));
            let (code, lines) = refused(service, &environment).await?;
            // A driver that cannot be opened yet is at fault itself; its URL is then not judged.
            let faulty = |line: &str| line.starts_with("DATA_SOURCE_URL ") || line.starts_with("DB_DRIVER ");
            let named = lines.len() == 1 && faulty(&lines[0]) && lines[0].contains("; accepted");
            let shown = lines.iter().any(|line| line.contains(PASSWORD));
            check(code == Some(EXIT_CONFIGURATION) && named && !shown, || {
                format!("{service} with {driver}: {code:?} {lines:#?}")
            })?;
        }
    }
    Ok(())
}
