//! The commands of the binary: output, rejected arguments, exit codes.

use std::{path::Path, process::Command};
use test_support::{Trial, tests};

pub(crate) fn trials() -> Vec<Trial> {
    tests![
        a_limit_is_set_shown_and_kept,
        account_commands_create_and_migrate_no_database,
        showing_a_missing_account_exits_69,
        invalid_arguments_print_one_line_exit_64_and_create_no_file,
        help_and_repeated_migrations_exit_0,
        a_command_without_a_database_lists_the_missing_variables,
        version_prints_the_build_and_healthcheck_exits_1_without_a_service,
    ]
    .into()
}

/// Runs the binary with the database in `directory`; returns exit code, stdout and stderr.
fn run(directory: &Path, args: &[&str]) -> (i32, String, String) {
    let url = format!("sqlite://{}/payment.db", directory.display());
    let output = Command::new(env!("CARGO_BIN_EXE_payment"))
        .args(args)
        .env_clear()
        .envs([("DB_DRIVER", "sqlite"), ("DATA_SOURCE_URL", &url)])
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn words(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}

async fn a_limit_is_set_shown_and_kept() {
    let directory = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| run(directory.path(), args);
    assert_eq!(run(&["migrate"]).0, 0);
    let set = "account set-limit --user 123 --currency USD --by anna --limit";
    let (code, out, err) = run(&[words(set), vec!["5000"]].concat());
    assert_eq!((code, out.as_str(), err.as_str()), (0, "user 123, USD: limit no account → 5000.00\n", ""));
    let (code, out, _) = run(&[words(set), vec!["0.5", "--reason", "too much"]].concat());
    assert_eq!((code, out.as_str()), (0, "user 123, USD: limit 5000.00 → 0.50\n"));

    for args in ["account show --user 123", "account show --user 123 --currency USD"] {
        let (code, out, err) = run(&words(args));
        let lines: Vec<_> = out.lines().collect();
        assert_eq!((code, lines.len(), err.as_str()), (0, 3, ""), "{out}");
        assert_eq!(lines[0], "user 123, USD: limit 0.50, charged 0.00, available 0.50");
        assert!(lines[1].ends_with("Z  5000.00 → 0.50 by anna: too much"), "{out}");
        assert!(lines[2].ends_with("Z  no account → 5000.00 by anna"), "{out}");
    }
}

async fn account_commands_create_and_migrate_no_database() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("payment.db");
    let missing =
        format!("there is no database sqlite://{}; `payment migrate` creates it\n", database.display());
    let set = "account set-limit --user 5 --currency USD --by anna --limit 1";
    for args in ["account show --user 5", set] {
        assert_eq!(run(directory.path(), &words(args)), (69, String::new(), missing.clone()));
    }
    assert!(!database.exists());
    std::fs::write(&database, "").unwrap();
    let (code, _, line) = run(directory.path(), &words(set));
    assert!(code == 69 && line.contains("is behind this program: run `payment migrate`"), "{line}");
    assert_eq!(std::fs::metadata(&database).unwrap().len(), 0);
}

async fn showing_a_missing_account_exits_69() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(run(directory.path(), &["migrate"]).0, 0);
    for (args, want) in [
        ("account show --user 5", "user 5 has no account\n"),
        ("account show --user 5 --currency EUR", "user 5 has no account in EUR\n"),
    ] {
        let result = run(directory.path(), &words(args));
        assert_eq!(result, (69, String::new(), want.to_owned()));
    }
}

async fn invalid_arguments_print_one_line_exit_64_and_create_no_file() {
    let directory = tempfile::tempdir().unwrap();
    for (args, message) in [
        ("account", "subcommand"),
        ("acount", "acount"),
        ("account show", "--user <ID>"),
        ("account show --user 0", "a whole number from 1"),
        ("account show --user 1 --currency usd", "usd"),
        ("account set-limit --user 1", "--currency <CODE> --limit <AMOUNT> --by <NAME>"),
        ("account set-limit --user 1 --currency USD --limit 0.001 --by a", "0.001"),
        ("account set-limit --user 1 --currency USD --limit -1 --by a", "-1"),
        ("account set-limit --user 1 --currency USD --limit 1e99 --by a", "1e99"),
        ("account set-limit --user 1 --currency USD --limit much --by a", "much"),
        ("account set-limit --user 1 --currency USD --limit 1 --by \n", "1 to 100 characters"),
        ("migrate now", "now"),
    ] {
        let (code, out, err) = run(directory.path(), &words(args));
        assert_eq!((code, out.as_str(), err.lines().count()), (64, "", 1), "{args}: {err}");
        assert!(err.contains(message) && !err.contains("error:"), "{args}: {err}");
    }
    assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 0);
}

async fn help_and_repeated_migrations_exit_0() {
    let directory = tempfile::tempdir().unwrap();
    let (code, out, _) = run(directory.path(), &["--help"]);
    assert!(code == 0 && out.contains("migrate") && out.contains("69"), "{out}");
    for _ in 0..2 {
        let (code, out, err) = run(directory.path(), &["migrate"]);
        assert_eq!((code, out.lines().count(), err.as_str()), (0, 1, ""), "{out}");
        assert!(out.ends_with("payment.db is up to date\n"), "{out}");
    }
}

async fn a_command_without_a_database_lists_the_missing_variables() {
    let output = Command::new(env!("CARGO_BIN_EXE_payment")).arg("migrate").env_clear().output().unwrap();
    assert_eq!(output.status.code(), Some(64));
    let want =
        "DB_DRIVER environment variable is missing.\nDATA_SOURCE_URL environment variable is missing.\n";
    assert_eq!(String::from_utf8(output.stderr).unwrap(), want);
}

async fn version_prints_the_build_and_healthcheck_exits_1_without_a_service() {
    let directory = tempfile::tempdir().unwrap();
    let (code, version, _) = run(directory.path(), &["--version"]);
    assert_eq!(code, 0);
    assert!(version.starts_with(&format!("payment {} (", env!("CARGO_PKG_VERSION"))), "{version}");
    let unhealthy = Command::new(env!("CARGO_BIN_EXE_payment"))
        .args(["healthcheck", "--live"])
        .env_clear()
        .env("ADMIN_ADDRESS", "127.0.0.1:1")
        .output()
        .unwrap();
    assert_eq!(unhealthy.status.code(), Some(1), "{unhealthy:?}");
}
