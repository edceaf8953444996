//! Who may depend on whom, read off the manifests.

use super::{File, Offence};

const SERVICES: [&str; 3] = ["gateway", "order", "payment"];

/// One dependency of a manifest, of whatever kind.
struct Dependency<'a> {
    name: &'a str,
    line: usize,
    from_workspace: bool,
}

/// Nothing depends on `stack`, and no service on another: they meet on the wire alone.
pub(super) fn dependencies_point_inwards(manifests: &[File]) -> Vec<Offence> {
    let mut offences = Vec::new();
    for manifest in manifests {
        let owner = manifest.path.strip_suffix("/Cargo.toml").unwrap_or("");
        for dependency in dependencies(&manifest.text) {
            let name = dependency.name;
            let between_services = SERVICES.contains(&owner) && SERVICES.contains(&name);
            if name == "stack" || between_services {
                offences.push(Offence::at(manifest, dependency.line, format!("depends on `{name}`")));
            }
        }
    }
    offences
}

/// Versions and features are chosen once, in the root manifest. (A crate that is a workspace of its own,
/// of fuzz targets for instance, is no member.)
pub(super) fn a_dependency_is_the_workspaces(manifests: &[File]) -> Vec<Offence> {
    let mut offences = Vec::new();
    let is_member = |manifest: &&File| manifest.text.lines().all(|line| line.trim() != "[workspace]");
    for manifest in manifests.iter().filter(is_member) {
        let own = dependencies(&manifest.text).into_iter().filter(|dependency| !dependency.from_workspace);
        offences.extend(own.map(|dependency| {
            Offence::at(
                manifest,
                dependency.line,
                format!("`{}` without `workspace = true`", dependency.name),
            )
        }));
    }
    offences
}

/// The dependencies that `text` lists under `[dependencies]`, `[dev-dependencies]`,
/// `[build-dependencies]`, their `[target.….dependencies]`, or as tables of their own.
fn dependencies(text: &str) -> Vec<Dependency<'_>> {
    let mut found: Vec<Dependency<'_>> = Vec::new();
    let mut section = Section::Other;
    for (index, line) in text.lines().enumerate() {
        let (line, content) = (index + 1, line.split('#').next().unwrap_or("").trim());
        if let Some(header) = content.strip_prefix('[') {
            section = Section::of(header.trim_end_matches(']'));
            if let Section::One(name) = section {
                found.push(Dependency { name, line, from_workspace: false });
            }
            continue;
        }
        let Some((key, value)) = content.split_once('=') else { continue };
        let (key, value) = (key.trim(), value.trim());
        match section {
            Section::Other => {}
            Section::One(_) => {
                if let Some(last) = found.last_mut() {
                    last.from_workspace |= (key, value) == ("workspace", "true");
                }
            }
            Section::Many => {
                let (name, field) = key.split_once('.').unwrap_or((key, ""));
                let inline = value.replace(' ', "").contains("workspace=true");
                let from_workspace = inline || (field, value) == ("workspace", "true");
                found.push(Dependency { name: name.trim_matches('"'), line, from_workspace });
            }
        }
    }
    found
}

/// What a table of a manifest is about.
#[derive(Clone, Copy)]
enum Section<'a> {
    /// A table with a line for each dependency.
    Many,
    /// A table about this one dependency.
    One(&'a str),
    /// `[workspace.dependencies]`, where versions are chosen, and all that is about something else.
    Other,
}

impl<'a> Section<'a> {
    fn of(header: &'a str) -> Self {
        let kinds = ["dependencies", "dev-dependencies", "build-dependencies"];
        let (table, last) = header.rsplit_once('.').unwrap_or(("", header));
        let lists = |table: &str| table.rsplit('.').next().is_some_and(|kind| kinds.contains(&kind));
        match () {
            () if header.starts_with("workspace") => Self::Other,
            () if kinds.contains(&last) => Self::Many,
            () if lists(table) => Self::One(last),
            () => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::planted, *};

    #[test]
    fn a_dependency_that_points_outwards_is_named() {
        for (path, text, line) in [
            ("order/Cargo.toml", "[dependencies]\ntokio.workspace = true\npayment.workspace = true", 3),
            ("gateway/Cargo.toml", "[dev-dependencies]\norder = { workspace = true }", 2),
            ("payment/Cargo.toml", "[target.'cfg(unix)'.dependencies]\ngateway.workspace = true", 2),
            ("payment/Cargo.toml", "[dependencies.order]\nworkspace = true", 1),
            ("chassis/Cargo.toml", "[build-dependencies]\nstack.workspace = true", 2),
        ] {
            let found = planted(dependencies_point_inwards, path, text);
            assert!(
                found.len() == 1 && found[0].starts_with(&format!("{path}:{line}: ")),
                "{path}: {found:?}"
            );
        }
    }

    #[test]
    fn stack_depends_on_all_and_all_on_the_foundations() {
        let all =
            "[dependencies]\ngateway.workspace = true\norder.workspace = true\npayment.workspace = true";
        assert!(planted(dependencies_point_inwards, "stack/Cargo.toml", all).is_empty());
        let foundations = "[package]\nname = \"order\"\n[dependencies]\nchannel.workspace = true";
        assert!(planted(dependencies_point_inwards, "order/Cargo.toml", foundations).is_empty());
        let root = "[workspace.dependencies]\nstack = { path = \"stack\" }";
        assert!(planted(dependencies_point_inwards, "Cargo.toml", root).is_empty());
    }

    #[test]
    fn a_version_chosen_outside_the_workspace_is_named() {
        for (text, line) in [
            ("[dependencies]\nserde = \"1\"", 2),
            ("[dev-dependencies]\nserde = { version = \"1\" } # workspace = true", 2),
            ("[dependencies.serde]\nversion = \"1\"", 1),
            ("[dependencies]\nserde.path = \"../serde\"", 2),
        ] {
            let found = planted(a_dependency_is_the_workspaces, "order/Cargo.toml", text);
            assert_eq!(
                found,
                [format!("order/Cargo.toml:{line}: `serde` without `workspace = true`")],
                "{text}"
            );
        }
        let chosen = "[dependencies]\na.workspace = true\nb = { workspace = true, features = [\"x\"] }\n\
            [dependencies.c]\nworkspace = true\n[package]\nversion = \"1\"";
        assert!(planted(a_dependency_is_the_workspaces, "order/Cargo.toml", chosen).is_empty());
        let apart = "[workspace]\n[dependencies]\nserde = \"1\"";
        assert!(planted(a_dependency_is_the_workspaces, "fuzz/Cargo.toml", apart).is_empty());
    }
}
