//! The binary: messages and exit codes if it cannot start.

use std::{path::Path, process::Command};
use test_support::{Trial, tests};

pub(crate) fn trials() -> Vec<Trial> {
    tests![
        missing_variables_print_one_line_each_and_exit_64,
        an_unusable_database_prints_one_line_and_exits_69,
        no_error_shows_a_password,
        a_service_that_waits_for_its_database_is_live_not_ready_and_stoppable,
    ]
    .into()
}

/// Runs the binary with exactly this environment; returns exit code and stderr.
fn run(vars: &[(&str, &str)]) -> (Option<i32>, String) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_payment")).env_clear().envs(vars.iter().copied()).output().unwrap();
    assert!(output.stdout.is_empty());
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

fn with<'a>(url: &'a str, extra: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let needed = [
        ("APPLICATION_PORT", "0"),
        ("ADMIN_ADDRESS", "127.0.0.1:0"),
        ("ENV", "development"),
        ("DB_DRIVER", "sqlite"),
        ("DATA_SOURCE_URL", url),
        ("RUST_LOG", "off"),
    ];
    needed.into_iter().chain(extra.iter().copied()).collect()
}

async fn missing_variables_print_one_line_each_and_exit_64() {
    let (code, stderr) = run(&[]);
    assert_eq!(code, Some(64));
    let missing = ["APPLICATION_PORT", "ENV", "DB_DRIVER", "DATA_SOURCE_URL"];
    let want = missing.map(|name| format!("{name} environment variable is missing.\n")).concat();
    assert_eq!(stderr, want);
}

async fn an_unusable_database_prints_one_line_and_exits_69() {
    let directory = tempfile::tempdir().unwrap();
    let text = directory.path().join("text.db");
    std::fs::write(&text, "this is not a database, but a text of some length").unwrap();
    for file in [Path::new("/nowhere/at/all.db"), Path::new("/proc/x.db"), directory.path(), &text] {
        let (code, stderr) = run(&with(&format!("sqlite://{}", file.display()), &[]));
        assert_eq!((code, stderr.lines().count()), (Some(69), 1), "{stderr}");
        assert!(stderr.contains(&format!("sqlite://{}", file.display())), "{stderr}");
    }
}

async fn no_error_shows_a_password() {
    // No server listens on port 1.
    let url = "root:verysecretpass@tcp(127.0.0.1:1)/payment";
    for (driver, want) in [("mysql", 69), ("sqlite", 64), ("postgres", 64), ("oracle", 64)] {
        let (code, stderr) = run(&with(url, &[("DB_DRIVER", driver), ("DB_WAIT_SECONDS", "0")]));
        assert_eq!((code, stderr.lines().count() > 0), (Some(want), true), "{stderr}");
        assert!(!stderr.contains("verysecretpass"), "{stderr}");
    }
}

/// The database is a port that accepts connections and never responds.
async fn a_service_that_waits_for_its_database_is_live_not_ready_and_stoppable() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("mysql://root:pass@{}/payment", silent.local_addr().unwrap());
    let vars = with(&url, &[("DB_DRIVER", "mysql")]);
    let mut config = payment::Config::read(&vars.into_iter().collect()).unwrap();
    config.database.wait = std::time::Duration::from_secs(3600);
    let sockets = service_kit::process::Sockets::bind(&config.process).await.unwrap();
    let admin = sockets.admin.local_addr().unwrap();
    let shutdown = service_kit::CancellationToken::new();
    let serving = tokio::spawn(payment::serve(config, sockets, shutdown.clone()));
    let _connection = silent.accept().await.unwrap();
    assert!(crate::service::get(admin, "/livez").await.starts_with("HTTP/1.1 200"));
    let readiness = crate::service::get(admin, "/readyz").await;
    assert!(
        readiness.starts_with("HTTP/1.1 503") && readiness.contains("not ready: database"),
        "{readiness}"
    );
    shutdown.cancel();
    serving.await.unwrap().unwrap();
}
