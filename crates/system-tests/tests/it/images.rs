//! The Dockerfile, .dockerignore and compose.yaml must match the workspace.

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
fn docker_context_contains_every_workspace_member() {
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
fn builder_image_matches_the_rust_version() {
    let tag = format!("docker.io/library/rust:{}-slim-bookworm", manifest("rust-version")[0]);
    assert!(text("Dockerfile").contains(&format!("\nARG BUILDER={tag}\n")));
    let in_compose = format!("BUILDER: ${{BUILDER:-{tag}}}\n");
    assert!(text("compose.yaml").contains(&in_compose), "{in_compose}");
    assert!(text("Dockerfile").contains("\nUSER 65532:65532\n"));
}

#[test]
fn every_service_image_has_a_healthcheck() {
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
fn images_are_labelled_with_the_commit() {
    let dockerfile = text("Dockerfile");
    // Build arguments end with their stage: one stage compiles with the commit, the other has it as
    // a label.
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
