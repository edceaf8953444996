//! The command line of the binary.

use std::process::{Command, Output};

fn order(args: &[&str], vars: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_order"));
    command.args(args).env_clear().envs(vars.iter().copied()).output().unwrap()
}

#[test]
fn migrate_needs_only_the_database_and_can_be_repeated() {
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
fn exit_code_distinguishes_configuration_and_unavailability() {
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

/// A database and a directory for files.
struct Fixture {
    directory: tempfile::TempDir,
}

impl Fixture {
    fn migrated() -> Self {
        let fixture = Self { directory: tempfile::tempdir().unwrap() };
        assert_eq!(fixture.order(&["migrate"]).0, Some(0));
        fixture
    }

    fn order(&self, args: &[&str]) -> (Option<i32>, String, String) {
        let output = order(args, &[("DB_DRIVER", "sqlite"), ("DATA_SOURCE_URL", &self.url())]);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    fn url(&self) -> String {
        format!("sqlite://{}", self.directory.path().join("orders.db").display())
    }

    fn file(&self, text: &str) -> String {
        let path = self.directory.path().join("prices.csv");
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }
}

#[test]
fn price_commands_create_and_migrate_no_database() {
    let fixture = Fixture { directory: tempfile::tempdir().unwrap() };
    let file = fixture.file(&format!("{HEADER}sku1,USD,0.12\n"));
    let missing = format!("there is no database {}; `order migrate` creates it\n", fixture.url());
    for command in [&["prices", "show"][..], &["prices", "load", &file]] {
        assert_eq!(fixture.order(command), (Some(69), String::new(), missing.clone()));
    }
    let database = fixture.directory.path().join("orders.db");
    assert!(!database.exists());
    // An empty file is an empty database.
    std::fs::write(&database, "").unwrap();
    let (code, _, line) = fixture.order(&["prices", "show"]);
    assert!(code == Some(69) && line.contains("is behind this program: run `order migrate`"), "{line}");
    assert_eq!(std::fs::metadata(&database).unwrap().len(), 0);
}

const HEADER: &str = "product_code,currency,unit_price\n";

#[test]
fn prices_are_loaded_shown_and_replaced() {
    let fixture = Fixture::migrated();
    let success = |text: String| (Some(0), text, String::new());
    let shown = |rows: &str| success(format!("{HEADER}{rows}"));
    assert_eq!(fixture.order(&["prices", "show"]), shown(""));
    let file = fixture.file(&format!("{HEADER}sku1,USD,0.12\nsku2,USD,19.99\nsku1,JPY,12\n"));
    let loaded = format!("3 prices were loaded into the price list of {}\n", fixture.url());
    assert_eq!(fixture.order(&["prices", "load", &file]), success(loaded));
    assert_eq!(fixture.order(&["prices", "show"]), shown("sku1,JPY,12\nsku1,USD,0.12\nsku2,USD,19.99\n"));
    assert_eq!(
        fixture.order(&["prices", "show", "--product", "sku1"]),
        shown("sku1,JPY,12\nsku1,USD,0.12\n")
    );

    let file = fixture.file(&format!("{HEADER}sku2,USD,20\nsku3,USD,1\n"));
    assert_eq!(fixture.order(&["prices", "load", &file]).0, Some(0));
    let all = "sku1,JPY,12\nsku1,USD,0.12\nsku2,USD,20.00\nsku3,USD,1.00\n";
    assert_eq!(fixture.order(&["prices", "show"]), shown(all));
    let replaced = format!("2 prices are now the price list of {}\n", fixture.url());
    assert_eq!(fixture.order(&["prices", "load", "--replace", &file]), success(replaced));
    assert_eq!(fixture.order(&["prices", "show"]), shown("sku2,USD,20.00\nsku3,USD,1.00\n"));
    let missing = fixture.order(&["prices", "show", "--product", "sku1"]);
    assert_eq!(missing, (Some(69), String::new(), "\"sku1\" has no price\n".to_owned()));
}

#[test]
fn file_with_faults_is_rejected_with_every_fault() {
    let fixture = Fixture::migrated();
    let good = fixture.file(&format!("{HEADER}sku1,USD,0.12\n"));
    assert_eq!(fixture.order(&["prices", "load", &good]).0, Some(0));
    let bad = fixture.file(&format!("{HEADER}sku2,USD,1\n,USD,1\nsku3,USD,0.001\n"));
    for replace in [&[][..], &["--replace"]] {
        let refused = fixture.order(&[&["prices", "load", &bad], replace].concat());
        let expected = format!(
            "{bad} was not loaded: 2 faults\n  line 3: product_code must be 1 to 100 characters, none of them a control \
             character\n  line 4: unit_price must have no more than 2 decimals, as USD has\n"
        );
        assert_eq!(refused, (Some(64), String::new(), expected));
        assert_eq!(fixture.order(&["prices", "show"]).1, format!("{HEADER}sku1,USD,0.12\n"));
    }
    let absent = fixture.order(&["prices", "load", "/nowhere/at/all.csv"]);
    assert_eq!(absent.0, Some(64));
    assert!(absent.2.starts_with("/nowhere/at/all.csv was not loaded: No such file"), "{}", absent.2);
    for args in [&["prices"][..], &["prices", "load"], &["prices", "show", "--product", "a\nb"]] {
        assert_eq!(fixture.order(args).0, Some(64), "{args:?}");
    }
}

#[test]
fn database_url_can_be_read_from_a_file() {
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
fn version_and_healthcheck() {
    let version = String::from_utf8(order(&["--version"], &[]).stdout).unwrap();
    assert!(version.starts_with(&format!("order {} (", env!("CARGO_PKG_VERSION"))), "{version}");
    let unreachable = order(&["healthcheck", "--live"], &[("ADMIN_ADDRESS", "127.0.0.1:1")]);
    assert_eq!(unreachable.status.code(), Some(1), "{unreachable:?}");
}
