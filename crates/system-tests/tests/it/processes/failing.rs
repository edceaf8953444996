//! Processes that cannot start: one line that says why, and exit code 69.

use std::{fs, net::Ipv4Addr};

use tokio::net::TcpListener;

use super::{Environment, and, common, database};
use crate::support::process::{Ended, Process};

/// `EX_UNAVAILABLE` of sysexits.
const EXIT_UNAVAILABLE: i32 = 69;

/// The only line that a process that could not start has left, which is no line of a log.
fn only_line(ended: &Ended) -> &str {
    assert_eq!(ended.code, Some(EXIT_UNAVAILABLE), "{ended:#?}");
    assert!(ended.out.is_empty(), "{ended:#?}");
    match ended.log.as_slice() {
        [line] if !line.starts_with('{') => line,
        _ => panic!("{ended:#?}"),
    }
}

/// The environment of a service whose callees are not there, with its database in a place of its own.
fn environment(service: &str, data: &std::path::Path) -> Environment {
    let common = common("production");
    match service {
        "gateway" => and(common, &[("ORDER_SERVICE_URL", "localhost:3000".to_owned())]),
        "order" => {
            let own = [("PAYMENT_SERVICE_URL", "localhost:3001".to_owned())];
            and(and(common, &database(data, service)), &own)
        }
        _ => and(common, &database(data, service)),
    }
}

#[tokio::test]
async fn a_service_whose_address_is_taken_names_it() {
    let (data, holder) =
        (tempfile::tempdir().unwrap(), TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap());
    let taken = holder.local_addr().unwrap();
    for service in ["gateway", "order", "payment"] {
        for variable in ["APPLICATION_PORT", "ADMIN_ADDRESS"] {
            let value =
                if variable == "ADMIN_ADDRESS" { taken.to_string() } else { taken.port().to_string() };
            let environment = and(environment(service, data.path()), &[(variable, value)]);
            let ended = Process::start(&[service], &environment).end().await;
            assert!(
                only_line(&ended).starts_with(&format!("cannot listen on {taken}: ")),
                "{service}: {ended:#?}"
            );
        }
    }
    // Nothing was made on the way.
    assert_eq!(fs::read_dir(data.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_stack_whose_address_is_taken_names_it() {
    let (data, holder) =
        (tempfile::tempdir().unwrap(), TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap());
    let (data, taken) = (data.path().to_str().unwrap(), holder.local_addr().unwrap());
    for name in ["--gateway-port", "--order-port", "--payment-port"] {
        let port = |flag: &str| if flag == name { taken.port().to_string() } else { "0".to_owned() };
        let ports =
            ["--gateway-port", "--order-port", "--payment-port"].map(|flag| format!("{flag}={}", port(flag)));
        let arguments = ["--data", data, &ports[0], &ports[1], &ports[2]];
        let ended = Process::start(&arguments, &[("RUST_LOG", "off".to_owned())]).end().await;
        assert!(only_line(&ended).contains(&format!("cannot listen on {taken}: ")), "{name}: {ended:#?}");
    }
}

#[tokio::test]
async fn a_database_that_cannot_be_made_is_named() {
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
            let environment = and(environment(service, data.path()), &[("DATA_SOURCE_URL", url)]);
            let ended = Process::start(&[service], &environment).end().await;
            assert!(only_line(&ended).contains(path.to_str().unwrap()), "{service}, {what}: {ended:#?}");
        }
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "no database, and no directory");
}

#[tokio::test]
async fn a_data_directory_that_cannot_be_made_is_named() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("file");
    fs::write(&file, "no directory").unwrap();
    for path in [file.clone(), file.join("below"), "/dev/null/data".into()] {
        let path = path.to_str().unwrap();
        let arguments = ["--data", path, "--gateway-port=0", "--order-port=0", "--payment-port=0"];
        let ended = Process::start(&arguments, &[]).end().await;
        assert!(only_line(&ended).contains(path), "{path}: {ended:#?}");
    }
}
