//! Commands and services that a signal ends, each by a handler: the kernel ignores signals without one for
//! process 1, the first process of a container.

use super::{common_vars, database_vars, with_vars};
use crate::support::{free_address, process::Process};

/// Whether this process ignores SIGHUP, as under `nohup`: the programs that it starts do too.
fn ignores_hup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    u64::from_str_radix(mask.trim(), 16).unwrap() & 1 == 1
}

#[tokio::test]
async fn a_command_that_waits_for_its_database_ends() {
    let environment =
        [("DB_DRIVER", "mysql".to_owned()), ("DATA_SOURCE_URL", format!("u:p@tcp({})/x", free_address()))];
    for (signal, code) in [("TERM", 143), ("INT", 130), ("HUP", 129)] {
        if signal == "HUP" && ignores_hup() {
            continue;
        }
        let mut command = Process::start(&["order", "migrate"], &environment);
        command.stderr_until("waiting up to").await;
        command.signal(signal).await;
        // Not None: the handler ends the process.
        assert_eq!(command.wait().await.code, Some(code), "{signal}");
    }
}

#[tokio::test]
async fn sighup_stops_a_service_as_sigterm_does() {
    let data = tempfile::tempdir().unwrap();
    let mut payment = Process::start(
        &["payment"],
        &with_vars(common_vars("production"), &database_vars(data.path(), "payment")),
    );
    payment.address().await;
    payment.signal("HUP").await;
    if ignores_hup() {
        payment.signal("TERM").await;
    }
    let exit = payment.wait().await;
    assert_eq!(exit.code, Some(0), "{:#?}", exit.stderr);
    assert!(exit.stderr.iter().any(|line| line.contains("shutting down")), "{:#?}", exit.stderr);
}
