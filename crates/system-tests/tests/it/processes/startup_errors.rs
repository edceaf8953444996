//! Processes that cannot start: one line on stderr and exit code 69.

use std::{fs, net::Ipv4Addr};

use tokio::net::TcpListener;

use super::{Environment, common_vars, database_vars, with_vars};
use crate::support::process::{Exit, Process};

/// `EX_UNAVAILABLE` of sysexits.
const EXIT_UNAVAILABLE: i32 = 69;

/// Asserts exit code 69 and returns the only line on stderr, which is not a log line.
fn only_line(exit: &Exit) -> &str {
    assert_eq!(exit.code, Some(EXIT_UNAVAILABLE), "{exit:#?}");
    assert!(exit.stdout.is_empty(), "{exit:#?}");
    match exit.stderr.as_slice() {
        [line] if !line.starts_with('{') => line,
        _ => panic!("{exit:#?}"),
    }
}

/// The environment of a service whose upstream is down.
fn environment(service: &str, data: &std::path::Path) -> Environment {
    let common = common_vars("production");
    match service {
        "gateway" => with_vars(common, &[("ORDER_SERVICE_URL", "localhost:3000".to_owned())]),
        "order" => {
            let own = [("PAYMENT_SERVICE_URL", "localhost:3001".to_owned())];
            with_vars(with_vars(common, &database_vars(data, service)), &own)
        }
        _ => with_vars(common, &database_vars(data, service)),
    }
}

#[tokio::test]
async fn service_reports_an_address_in_use() {
    let (data, holder) =
        (tempfile::tempdir().unwrap(), TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap());
    let taken = holder.local_addr().unwrap();
    for service in ["gateway", "order", "payment"] {
        for variable in ["APPLICATION_PORT", "ADMIN_ADDRESS"] {
            let value =
                if variable == "ADMIN_ADDRESS" { taken.to_string() } else { taken.port().to_string() };
            let environment = with_vars(environment(service, data.path()), &[(variable, value)]);
            let exit = Process::start(&[service], &environment).wait().await;
            assert!(
                only_line(&exit).starts_with(&format!("cannot listen on {taken}: "))
                    && only_line(&exit).ends_with(&format!("; choose another port with {variable}")),
                "{service}: {exit:#?}"
            );
        }
    }
    // The services created no files.
    assert_eq!(fs::read_dir(data.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn all_in_one_reports_an_address_in_use() {
    let (data, holder) =
        (tempfile::tempdir().unwrap(), TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap());
    let (data, taken) = (data.path().to_str().unwrap(), holder.local_addr().unwrap());
    for name in ["--gateway-port", "--order-port", "--payment-port"] {
        let port = |flag: &str| if flag == name { taken.port().to_string() } else { "0".to_owned() };
        let ports =
            ["--gateway-port", "--order-port", "--payment-port"].map(|flag| format!("{flag}={}", port(flag)));
        let arguments = ["--data", data, &ports[0], &ports[1], &ports[2]];
        let exit = Process::start(&arguments, &[("RUST_LOG", "off".to_owned())]).wait().await;
        let line = only_line(&exit);
        let is_named = line.contains(&format!("cannot listen on {taken}: ")) && line.contains(name);
        assert!(is_named, "{name}: {exit:#?}");
    }
}

#[tokio::test]
async fn service_reports_an_unusable_database_path() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("file");
    fs::write(&file, "no database, and no directory").unwrap();
    for service in ["order", "payment"] {
        for (what, path) in [
            ("a file for a directory", file.join("orders.db")),
            ("no such directory", data.path().join("none/orders.db")),
            ("a device for a directory", "/dev/null/orders.db".into()),
            ("a directory for a file", data.path().to_owned()),
            ("no database", file.clone()),
        ] {
            let url = format!("sqlite://{}", path.display());
            let environment = with_vars(environment(service, data.path()), &[("DATA_SOURCE_URL", url)]);
            let exit = Process::start(&[service], &environment).wait().await;
            assert!(only_line(&exit).contains(path.to_str().unwrap()), "{service}, {what}: {exit:#?}");
        }
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "no database, and no directory");
}

#[tokio::test]
async fn all_in_one_reports_an_unusable_data_directory() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("file");
    fs::write(&file, "no directory").unwrap();
    for path in [file.clone(), file.join("below"), "/dev/null/data".into()] {
        let path = path.to_str().unwrap();
        let arguments = ["--data", path, "--gateway-port=0", "--order-port=0", "--payment-port=0"];
        let exit = Process::start(&arguments, &[]).wait().await;
        assert!(only_line(&exit).contains(path), "{path}: {exit:#?}");
    }
}

#[tokio::test]
async fn a_log_filter_that_matches_nothing_is_a_configuration_error() {
    let data = tempfile::tempdir().unwrap();
    for arguments in [&["payment"][..], &["payment", "migrate"], &["--gateway-port", "0"]] {
        for filter in ["warning", "INFO ", "info;", "info order=debug"] {
            let environment =
                with_vars(environment("payment", data.path()), &[("RUST_LOG", filter.to_owned())]);
            let exit = Process::start(arguments, &environment).wait().await;
            let line = exit.stderr.concat();
            assert_eq!(exit.code, Some(64), "{arguments:?}: {exit:#?}");
            let start =
                format!("RUST_LOG environment variable is invalid: found {filter:?}; accepted: a filter");
            assert!(line.starts_with(&start) && line.contains("is neither a level"), "{arguments:?}: {line}");
        }
    }
    assert_eq!(fs::read_dir(data.path()).unwrap().count(), 0);
}
