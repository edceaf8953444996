//! The Dockerfile and what reaches it, held against the workspace: what is forgotten there is found by whoever builds an image.

use std::{fs, path::Path};

fn text(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)).unwrap()
}

/// The value of `name = "…"` or of the list `name = ["…", …]` in the workspace's manifest.
fn manifest(name: &str) -> Vec<String> {
    let manifest = text("Cargo.toml");
    let line = manifest.lines().find_map(|line| line.strip_prefix(&format!("{name} = "))).unwrap();
    line.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn every_member_of_the_workspace_reaches_the_builder_and_little_else() {
    let ignored = text(".dockerignore");
    let lines: Vec<&str> = ignored.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(lines[0], "*", "what is not named stays outside");
    for member in manifest("members") {
        let top = member.split('/').next().unwrap();
        assert!(lines.contains(&format!("!{top}").as_str()), "{member} does not reach the builder");
    }
    for outside in ["!deploy", "!data", "!target", "!.git"] {
        assert!(!lines.contains(&outside), "{outside}");
    }
}

#[test]
fn the_builder_has_the_toolchain_that_the_workspace_asks_for() {
    let tag = format!("docker.io/library/rust:{}-slim-bookworm", manifest("rust-version")[0]);
    assert!(text("Dockerfile").contains(&format!("\nARG BUILDER={tag}\n")));
    let in_compose = format!("BUILDER: ${{BUILDER:-{tag}}}\n");
    assert!(text("compose.yaml").contains(&in_compose), "{in_compose}");
    assert!(text("Dockerfile").contains("\nUSER 65532:65532\n"));
}

#[test]
fn there_is_an_image_of_every_program_with_its_own_healthcheck() {
    let dockerfile = text("Dockerfile");
    for program in ["gateway", "order", "payment"] {
        let (_, stage) = dockerfile.split_once(&format!("\nFROM runtime AS {program}\n")).unwrap();
        let stage = stage.split("\nFROM ").next().unwrap();
        for line in [
            format!("CMD [\"/usr/local/bin/{program}\", \"healthcheck\"]"),
            format!("ENTRYPOINT [\"/usr/local/bin/{program}\"]"),
        ] {
            assert!(stage.contains(&line), "{program}: {line}");
        }
    }
}

#[test]
fn whoever_builds_an_image_can_name_the_commit() {
    let dockerfile = text("Dockerfile");
    // Each stage begins without arguments: one compiles with it, the other is labelled with it.
    for (stage, uses) in [
        ("FROM ${BUILDER} AS build", "GIT_COMMIT=\"${GIT_COMMIT}\" cargo build "),
        ("FROM ${RUNTIME} AS runtime", "org.opencontainers.image.revision=\"${GIT_COMMIT}\""),
    ] {
        let (_, stage) = dockerfile.split_once(stage).unwrap();
        let (before, _) = stage.split("\nFROM ").next().unwrap().split_once(uses).unwrap();
        assert!(before.contains("\nARG GIT_COMMIT=\n"), "{uses}");
    }
    assert!(text("compose.yaml").contains("GIT_COMMIT: ${GIT_COMMIT:-}\n"));
}
