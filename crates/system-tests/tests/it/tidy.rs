//! The rules that keep the rooms apart (ARCHITECTURE.md), read off the sources and manifests themselves.
//!
//! Each rule is a function from files to offences, with a test beside it that plants a violation; here
//! every rule is held against the real tree.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

mod code;
mod manifests;
mod rooms;
mod shape;

/// A file, by its path from the workspace root.
struct File {
    path: String,
    text: String,
}

/// A place where a rule is broken.
struct Offence {
    path: String,
    line: usize,
    what: String,
}

impl Offence {
    fn at(file: &File, line: usize, what: impl Into<String>) -> Self {
        Self { path: file.path.clone(), line, what: what.into() }
    }
}

impl fmt::Display for Offence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

type Rule = fn(&[File]) -> Vec<Offence>;

/// Directories that hold nothing written by hand.
const SKIPPED: [&str; 5] = ["target", "data", "node_modules", "generated", "__pycache__"];

/// Every hand-written file of the workspace whose path ends in `ending`.
#[allow(clippy::expect_used, reason = "a tree that cannot be read fails every rule")]
fn tree(ending: &str) -> Vec<File> {
    let stack = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = stack.parent().expect("stack is a member of the workspace").to_owned();
    let mut files = Vec::new();
    let mut directories: Vec<PathBuf> = vec![root.clone()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).expect("readable").map(|entry| entry.expect("readable")) {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            if entry.file_type().expect("readable").is_dir() {
                if !name.starts_with('.') && !SKIPPED.contains(&name.as_str()) {
                    directories.push(path);
                }
            } else if name.ends_with(ending) {
                let text = fs::read_to_string(&path).expect("UTF-8");
                let path = path.strip_prefix(&root).expect("below the root").to_string_lossy().into_owned();
                files.push(File { path, text });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

fn hold(rule: Rule, files: &[File]) {
    let offences: Vec<String> = rule(files).iter().map(ToString::to_string).collect();
    assert!(offences.is_empty(), "{} broken:\n{}", offences.len(), offences.join("\n"));
}

/// What `rule` says of one planted file, for the tests of the rules.
fn planted(rule: Rule, path: &str, text: &str) -> Vec<String> {
    let file = File { path: path.to_owned(), text: text.to_owned() };
    rule(&[file]).iter().map(ToString::to_string).collect()
}

#[test]
fn the_cores_name_no_wire_no_database_and_no_adapter() {
    hold(rooms::the_core_names_no_edge, &tree(".rs"));
}

#[test]
fn only_config_reads_the_environment_and_nothing_writes_it() {
    hold(rooms::the_environment_is_read_by_config, &tree(".rs"));
}

#[test]
fn the_gateway_never_names_payments_stub() {
    hold(rooms::the_gateway_knows_no_payment, &tree(".rs"));
}

#[test]
fn every_source_file_opens_with_a_sentence() {
    hold(shape::a_file_opens_with_a_sentence, &tree(".rs"));
}

#[test]
fn main_only_wires() {
    hold(shape::main_is_short, &tree(".rs"));
}

#[test]
fn no_file_is_long() {
    hold(shape::a_file_is_short, &tree(".rs"));
}

#[test]
fn no_function_is_long() {
    hold(shape::a_function_is_short, &tree(".rs"));
}

#[test]
fn no_module_is_called_mod_rs() {
    hold(shape::a_module_is_called_by_its_name, &tree(".rs"));
}

#[test]
fn services_depend_neither_on_each_other_nor_on_stack() {
    hold(manifests::dependencies_point_inwards, &tree("Cargo.toml"));
}

#[test]
fn every_dependency_is_chosen_in_the_workspace() {
    hold(manifests::a_dependency_is_the_workspaces, &tree("Cargo.toml"));
}

#[test]
fn the_rooms_are_where_the_rules_look_for_them() {
    let (sources, manifests) = (tree(".rs"), tree("Cargo.toml"));
    for core in ["domain", "ports", "application"] {
        for service in ["order", "payment"] {
            let room = format!("{service}/src/{core}");
            assert!(sources.iter().any(|file| file.path.starts_with(&room)), "{room} is not there");
        }
    }
    for crate_name in ["money", "chassis", "gateway", "order", "payment", "stack"] {
        let manifest = format!("{crate_name}/Cargo.toml");
        assert!(manifests.iter().any(|file| file.path == manifest), "{manifest} is not there");
    }
}
