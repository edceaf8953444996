//! The system on containers, as the files say: compose.yaml, and what kustomize makes of `deploy/kubernetes`, held against the
//! schemas of Kubernetes, and for what schemas do not see.
//!
//! That the compose file works on an engine, `deploy/prove-compose` proves, where `REQUIRE` names `docker`.

use std::{path::Path, process::Stdio, time::Duration};

use serde_json::Value;
use test_support::{Failed, Need, Trial, check, output_within, succeed, texts, trial};
use tokio::process::Command;

use crate::tree::{python, workspace};

mod compose;
mod kubernetes;
mod manifests;
mod network;
mod variables;

use manifests::Manifests;

/// How long the images may take to build, and the proof after them.
const PROOF_MAX: Duration = Duration::from_secs(45 * 60);
const OVERLAYS: [&str; 2] = ["local", "production"];

pub(crate) fn trials() -> Vec<Trial> {
    let needs = [Need::Kustomize, Need::KubernetesValidate];
    let mut trials = vec![
        trial("containers::compose_says_what_it_should", &needs[1..], compose::holds),
        trial("containers::compose_turns_on_traces_and_tokens", &needs[1..], compose::takes_what_it_is_told),
        trial("containers::compose_holds_on_an_engine", &[Need::Docker], proven),
        trial("containers::the_copies_of_the_databases_script_are_equal", &[], equal_copies),
    ];
    for overlay in OVERLAYS {
        let name = |what: &str| format!("containers::{overlay}::{what}");
        trials.push(trial(&name("kubernetes_knows_every_member"), &needs, move || strictly_valid(overlay)));
        trials.push(trial(&name("selectors_ports_and_references_meet"), &needs, move || async move {
            kubernetes::meets(&rendered(overlay).await?, overlay)
        }));
        trials.push(trial(&name("pods_are_confined_and_end_in_peace"), &needs, move || async move {
            kubernetes::is_confined(&rendered(overlay).await?)
        }));
        trials.push(trial(&name("every_program_accepts_its_variables"), &needs, move || async move {
            variables::are_accepted(&rendered(overlay).await?)
        }));
        trials.push(trial(&name("traces_go_to_the_collector"), &needs, move || async move {
            variables::lead_to_the_collector(&rendered(overlay).await?, overlay)
        }));
        trials.push(trial(&name("nobody_reaches_more_than_intended"), &needs, move || async move {
            network::leads_where_intended(&rendered(overlay).await?, overlay)
        }));
    }
    trials
}

/// What kustomize makes of an overlay.
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
    let said = succeed(&mut command).await?;
    check(!said.to_lowercase().contains("warning"), || said.clone())
}

async fn proven() -> Result<(), Failed> {
    let mut command = Command::new(workspace().join("deploy/prove-compose"));
    let ended = output_within(PROOF_MAX, &mut command).await?;
    let (said, why) = texts(&ended);
    check(ended.status.success() && said.contains("ok: the books"), || format!("{said}\n{why}"))
}

async fn equal_copies() -> Result<(), Failed> {
    let script = |path: &str| std::fs::read_to_string(workspace().join("deploy").join(path));
    check(script("compose/databases.sh")? == script("kubernetes/local/databases.sh")?, || {
        "deploy/kubernetes/local/databases.sh is no copy of deploy/compose/databases.sh".to_owned()
    })
}
