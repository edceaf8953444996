//! The program's command line.

use std::process::{Command, Output};

fn order(args: &[&str], vars: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_order"));
    command.args(args).env_clear().envs(vars.iter().copied()).output().unwrap()
}

#[test]
fn migrate_needs_the_database_only_and_can_be_repeated() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("orders.db");
    let url = format!("sqlite://{}", file.display());
    for _ in 0..2 {
        let migrated = order(&["migrate"], &[("DB_DRIVER", "sqlite"), ("DATA_SOURCE_URL", &url)]);
        assert_eq!(migrated.status.code(), Some(0), "{migrated:?}");
        assert_eq!(
            String::from_utf8(migrated.stdout).unwrap(),
            format!("the database {url} is up to date\n")
        );
    }
    assert!(file.exists());
}

#[test]
fn each_fault_has_its_exit_code() {
    let usage = order(&["migrat"], &[]);
    let unset = order(&["migrate"], &[]);
    let nowhere = [("DB_DRIVER", "sqlite"), ("DATA_SOURCE_URL", "sqlite:///nowhere/at/all/orders.db")];
    let absent = order(&["migrate"], &nowhere);
    let codes = [&usage, &unset, &absent].map(|output| output.status.code());
    assert_eq!(codes, [Some(64), Some(64), Some(69)]);
    assert_eq!(
        String::from_utf8(unset.stderr).unwrap(),
        "DB_DRIVER environment variable is missing.\nDATA_SOURCE_URL environment variable is missing.\n"
    );
    assert_eq!(order(&["--help"], &[]).status.code(), Some(0));
}

#[test]
fn a_database_url_may_stand_in_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let (file, secret) = (directory.path().join("orders.db"), directory.path().join("url"));
    std::fs::write(&secret, format!("sqlite://{}\n", file.display())).unwrap();
    let vars = [("DB_DRIVER", "sqlite"), ("DATA_SOURCE_URL_FILE", secret.to_str().unwrap())];
    let migrated = order(&["migrate"], &vars);
    assert_eq!(migrated.status.code(), Some(0), "{migrated:?}");
    assert!(file.exists());

    std::fs::write(&secret, "mysql://root:hunter2@host/order\n").unwrap();
    let refused = order(&["migrate"], &vars);
    let line = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(64), "{line}");
    assert!(line.starts_with("DATA_SOURCE_URL_FILE environment variable is invalid: "), "{line}");
    assert!(!line.contains("hunter2"), "{line}");
}

#[test]
fn it_tells_its_build_and_its_health() {
    let version = String::from_utf8(order(&["--version"], &[]).stdout).unwrap();
    assert!(version.starts_with(&format!("order {} (", env!("CARGO_PKG_VERSION"))), "{version}");
    let nobody = order(&["healthcheck", "--live"], &[("ADMIN_ADDRESS", "127.0.0.1:1")]);
    assert_eq!(nobody.status.code(), Some(1), "{nobody:?}");
}
