//! docs/operate/configuration.md and `--help` list every declared variable.
//!
//! `UPDATE_CONFIGURATION=1 cargo test -p all-in-one` writes the page and the list of known names.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test states its expectations by failing")]

use std::{collections::BTreeSet, fmt::Write as _, fs, path::Path, process::Command};

use service_kit::env::{Declared, Variable, WhenAbsent};

/// Exists only in test builds; the page does not describe it.
const FAULT_INJECTION: &str = "FAULT_INJECTION";

const SERVICES: [(&str, &Declared<'static>); 3] = [
    ("gateway", gateway::config::VARIABLES),
    ("order", order::config::VARIABLES),
    ("payment", payment::config::VARIABLES),
];

const HEAD: &str = "\
# Configuration

Environment variables configure all services. A service reads them once, at start. It reports all
missing and invalid variables at once, one line each, and exits with code 64.

- An empty variable counts as absent.
- A *secret* is never shown in errors and logs. A file may hold it instead: the variable `NAME_FILE`
  holds the path of the file. Container platforms mount secrets as files.
- A variable that no service reads, and that resembles one of these, is logged as a warning at start.

`gateway --help`, `order --help` and `payment --help` print the same tables. This page is generated:
`UPDATE_CONFIGURATION=1 cargo test -p all-in-one`.
";

const TRACES: &str = "\
## Traces

OpenTelemetry's variables apply to all services. No other `OTEL_…` variable has an effect.
";

const ALL_IN_ONE: &str = "\
## All services in one process

`order-system` without a command sets the ports, the databases and the addresses of the services
itself (see `order-system --help`). It passes these variables on to the services:
";

const AUDIT: &str = "\
`order-system audit` reads the databases of both services. It accepts each variable of a database
with the prefix `ORDER_` or `PAYMENT_`:
";

fn is_for_traces(variable: &Variable) -> bool {
    variable.name.starts_with("OTEL_")
}

/// The declared variables that the page describes.
fn documented<'a>(declared: &'a Declared<'a>) -> impl Iterator<Item = &'a Variable> {
    declared.iter().copied().flatten().copied().filter(|variable| variable.name != FAULT_INJECTION)
}

fn table<'a>(page: &mut String, variables: impl Iterator<Item = &'a Variable>) {
    page.push_str("\n| variable | accepted | default | secret | meaning |\n|---|---|---|---|---|\n");
    for variable in variables {
        let default = match variable.when_absent {
            WhenAbsent::Required => "**required**".to_owned(),
            WhenAbsent::Means(text) => text.to_owned(),
            value => format!("`{value}`"),
        };
        let secret = if variable.is_secret() { "yes" } else { "no" };
        let accepted = variable.kind.to_string().replace('|', "\\|");
        let Variable { name, meaning, .. } = variable;
        writeln!(page, "| `{name}` | {accepted} | {default} | {secret} | {meaning} |").unwrap();
    }
}

fn audit_names() -> Vec<String> {
    let names = |prefix: &'static str| {
        let variables = database::VARIABLES.iter();
        variables.flat_map(|variable| variable.names()).map(move |name| format!("{prefix}{name}"))
    };
    names("ORDER_").chain(names("PAYMENT_")).collect()
}

fn list(page: &mut String, names: impl Iterator<Item = String>) {
    for name in names {
        writeln!(page, "- `{name}`").unwrap();
    }
}

fn page() -> String {
    let mut page = HEAD.to_owned();
    for (service, declared) in SERVICES {
        writeln!(page, "\n## {service}").unwrap();
        table(&mut page, documented(declared).filter(|variable| !is_for_traces(variable)));
    }
    writeln!(page, "\n{}", TRACES.trim_end()).unwrap();
    table(&mut page, documented(SERVICES[0].1).filter(|variable| is_for_traces(variable)));
    writeln!(page, "\n{ALL_IN_ONE}").unwrap();
    list(&mut page, documented(all_in_one::cli::VARIABLES).map(|variable| variable.name.to_owned()));
    writeln!(page, "\n{AUDIT}").unwrap();
    list(&mut page, audit_names().into_iter());
    page
}

/// The names of all variables, one per line, as service-kit's check for unknown variables reads them.
fn names() -> String {
    let declared = SERVICES.iter().flat_map(|(_, declared)| documented(declared)).flat_map(Variable::names);
    let names: BTreeSet<String> = declared.chain(audit_names()).collect();
    names.into_iter().map(|name| name + "\n").collect()
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the switch that updates the committed files")]
fn the_committed_files_equal_the_declarations() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for (file, content) in
        [("docs/operate/configuration.md", page()), ("crates/service-kit/src/env/names.txt", names())]
    {
        let path = root.join(file);
        if std::env::var("UPDATE_CONFIGURATION").is_ok_and(|value| value == "1") {
            fs::write(&path, &content).expect("writable");
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == content, "{file} is stale: run UPDATE_CONFIGURATION=1 cargo test -p all-in-one");
    }
}

#[test]
fn the_page_and_each_help_list_every_declared_variable() {
    let page = page();
    let help = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_order-system")).args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let programs = SERVICES.map(|(service, declared)| (vec![service, "--help"], declared));
    for (arguments, declared) in programs.into_iter().chain([(vec!["--help"], all_in_one::cli::VARIABLES)]) {
        let help = help(&arguments);
        for variable in documented(declared) {
            let names = variable.names().collect::<Vec<_>>().join(", ");
            let name = variable.name;
            assert!(
                help.contains(&format!("\n  {names}\n          {}\n", variable.meaning)),
                "{name}: {help}"
            );
            assert!(page.contains(&format!("| `{name}` |")), "{name}: {page}");
        }
    }
    let audit = help(&["audit", "--help"]);
    for name in ["DB_DRIVER", "DATA_SOURCE_URL"] {
        for prefix in ["ORDER_", "PAYMENT_"] {
            assert!(audit.contains(&format!("{prefix}{name}")), "{audit}");
        }
    }
}
