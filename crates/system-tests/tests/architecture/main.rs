//! The rules of docs/understand/architecture.md that neither the compiler nor clippy can check, checked on
//! the sources.
//!
//! Crate boundaries keep services apart at compile time; clippy bans calls and long functions (clippy.toml).
//! Left for this test: layering inside a crate, import cycles, manifests and file sizes.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test states its expectations by failing")]

use std::fs;

use test_support::workspace_root;

mod cycles;
mod documents;
mod layering;
mod manifests;
mod source;

/// A file of the workspace: its path from the root, and its text.
struct File {
    path: String,
    text: String,
}

const FILE_LINES_MAX: usize = 400;
const MAIN_LINES_MAX: usize = 40;

/// Every hand-written file of the workspace whose path ends in `ending`.
fn files(ending: &str) -> Vec<File> {
    const SKIPPED: [&str; 5] = ["target", "data", "node_modules", "generated", "__pycache__"];
    let root = workspace_root();
    let mut directories = vec![root.clone()];
    let mut files = Vec::new();
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).unwrap().map(Result::unwrap) {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            if path.is_dir() {
                if !name.starts_with('.') && !SKIPPED.contains(&name.as_str()) {
                    directories.push(path);
                }
            } else if name.ends_with(ending) {
                let relative = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
                files.push(File { path: relative, text: fs::read_to_string(&path).unwrap() });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

/// Fails with every violation, a line each.
fn assert_none(violations: &[String]) {
    assert!(violations.is_empty(), "{} violations:\n{}", violations.len(), violations.join("\n"));
}

/// One file, for the test of a rule.
fn planted(path: &str, text: &str) -> [File; 1] {
    [File { path: path.to_owned(), text: text.to_owned() }]
}

#[test]
fn every_source_file_is_short_and_opens_with_a_doc_sentence() {
    let mut violations = Vec::new();
    for File { path, text } in files(".rs") {
        let max = if path.ends_with("/src/main.rs") { MAIN_LINES_MAX } else { FILE_LINES_MAX };
        let lines = text.lines().count();
        if lines > max {
            violations.push(format!("{path}: {lines} lines, at most {max}"));
        }
        if !text.starts_with("//! ") {
            violations.push(format!("{path}: does not open with `//!`"));
        }
    }
    assert_none(&violations);
}
