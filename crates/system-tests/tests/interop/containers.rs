//! The container configuration: compose.yaml, and the output of kustomize for `deploy/kubernetes`, checked
//! against the schemas of Kubernetes and for what the schemas do not cover.
//!
//! `deploy/test-compose` tests the compose file on a Docker engine, where `REQUIRE` names `docker`.

use std::{path::Path, process::Stdio, time::Duration};

use serde_json::Value;
use test_support::{Failed, Need, Trial, check, output_within, succeed, texts, trial};
use tokio::process::Command;

use crate::paths::{python, workspace};

mod compose;
mod kubernetes;
mod manifests;
mod network;
mod variables;

use manifests::Manifests;

/// The time to build the images and to run the test.
const COMPOSE_TEST_MAX: Duration = Duration::from_secs(45 * 60);
const OVERLAYS: [&str; 2] = ["local", "production"];

pub(crate) fn trials() -> Vec<Trial> {
    let needs = [Need::Kustomize, Need::KubernetesValidate];
    let mut trials = vec![
        trial("containers::compose_networks_ports_and_limits", &needs[1..], compose::check_file),
        trial(
            "containers::compose_passes_variables_of_traces_and_tokens",
            &needs[1..],
            compose::passes_variables,
        ),
        trial("containers::compose_runs_on_a_docker_engine", &[Need::Docker], test_compose),
        trial("containers::copies_of_the_databases_script_are_equal", &[], equal_copies),
    ];
    for overlay in OVERLAYS {
        let name = |what: &str| format!("containers::{overlay}::{what}");
        trials.push(trial(&name("kubernetes_schemas_accept_every_member"), &needs, move || {
            strictly_valid(overlay)
        }));
        trials.push(trial(&name("selectors_ports_and_references_resolve"), &needs, move || async move {
            kubernetes::references_resolve(&rendered(overlay).await?, overlay)
        }));
        trials.push(trial(&name("pods_are_restricted_and_stop_gracefully"), &needs, move || async move {
            kubernetes::pods_are_restricted(&rendered(overlay).await?)
        }));
        trials.push(trial(&name("every_program_accepts_its_variables"), &needs, move || async move {
            variables::are_accepted(&rendered(overlay).await?)
        }));
        trials.push(trial(&name("traces_go_to_the_collector"), &needs, move || async move {
            variables::name_the_collector(&rendered(overlay).await?, overlay)
        }));
        trials.push(trial(
            &name("network_policies_allow_only_intended_connections"),
            &needs,
            move || async move { network::allows_only_intended(&rendered(overlay).await?, overlay) },
        ));
    }
    trials
}

/// The output of kustomize for an overlay.
async fn render(overlay: &str) -> Result<String, Failed> {
    let directory = workspace().join("deploy/kubernetes").join(overlay);
    let script = r#"if command -v kustomize >&2; then exec kustomize build "$0"; else exec kubectl kustomize "$0"; fi"#;
    succeed(Command::new("sh").args(["-c", script]).arg(directory)).await
}

async fn rendered(overlay: &str) -> Result<Manifests, Failed> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("all.yaml");
    std::fs::write(&file, render(overlay).await?)?;
    Ok(Manifests::new(read(&file).await?))
}

/// The documents of a YAML file.
async fn read(file: &Path) -> Result<Vec<Value>, Failed> {
    Ok(serde_json::from_str(&succeed(python("yaml_as_json.py").arg(file).stdin(Stdio::null())).await?)?)
}

async fn strictly_valid(overlay: &str) -> Result<(), Failed> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("all.yaml");
    std::fs::write(&file, render(overlay).await?)?;
    let mut command = Command::new("kubernetes-validate");
    command.args(["--strict", "--kubernetes-version", "1.37"]).arg(file);
    let stdout = succeed(&mut command).await?;
    check(!stdout.to_lowercase().contains("warning"), || stdout.clone())
}

async fn test_compose() -> Result<(), Failed> {
    let mut command = Command::new(workspace().join("deploy/test-compose"));
    let output = output_within(COMPOSE_TEST_MAX, &mut command).await?;
    let (stdout, stderr) = texts(&output);
    check(output.status.success() && stdout.contains("ok: audit"), || format!("{stdout}\n{stderr}"))
}

async fn equal_copies() -> Result<(), Failed> {
    let script = |path: &str| std::fs::read_to_string(workspace().join("deploy").join(path));
    check(script("compose/databases.sh")? == script("kubernetes/local/databases.sh")?, || {
        "deploy/kubernetes/local/databases.sh differs from deploy/compose/databases.sh".to_owned()
    })
}
