//! Dependencies between crates: services do not depend on each other, and versions are chosen once.

use super::{File, assert_none, files, planted};

const SERVICES: [&str; 3] = ["gateway", "order", "payment"];

/// The lines of `manifest` that name a dependency, but for those of `[workspace.dependencies]`.
fn dependencies(manifest: &str) -> Vec<&str> {
    let mut in_dependencies = false;
    let mut found = Vec::new();
    for line in manifest.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if line.starts_with('[') {
            in_dependencies = line.contains("dependencies") && !line.starts_with("[workspace");
            // A table of one dependency is refused as well: its header has no `workspace = true`.
            if !in_dependencies || line.ends_with("dependencies]") {
                continue;
            }
        }
        if in_dependencies {
            found.push(line);
        }
    }
    found
}

fn violations(manifests: &[File]) -> Vec<String> {
    let mut violations = Vec::new();
    for File { path, text } in manifests.iter().filter(|file| !file.text.contains("\n[workspace]\n")) {
        let owner = path.strip_suffix("/Cargo.toml").unwrap_or("");
        for line in dependencies(text) {
            let name = line.split(['.', ' ', '=']).next().unwrap_or("");
            if SERVICES.contains(&owner) && SERVICES.contains(&name)
                || name == "all-in-one" && owner != "crates/system-tests"
            {
                violations.push(format!("{path}: depends on {name}"));
            }
            if !line.replace(' ', "").contains("workspace=true") {
                violations.push(format!("{path}: `{line}` without `workspace = true`"));
            }
        }
    }
    violations
}

#[test]
fn services_do_not_depend_on_each_other_and_versions_are_the_workspaces() {
    let manifests = files("Cargo.toml");
    assert!(manifests.len() > SERVICES.len());
    assert_none(&violations(&manifests));
    for text in [
        "[dev-dependencies]\norder.workspace = true",
        "[dependencies]\nhttp = \"1\"",
        "[dependencies.http]",
        "[build-dependencies]\nall-in-one.workspace = true",
    ] {
        assert_eq!(violations(&planted("gateway/Cargo.toml", text)).len(), 1, "{text}");
    }
    assert_none(&violations(&planted(
        "order/Cargo.toml",
        "[features]\na = []\n[dependencies]\nhttp.workspace = true",
    )));
}
