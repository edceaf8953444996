//! The variables of containers, parsed by the programs' own code.

use std::{fs, path::Path};

use serde_json::Value;
use service_kit::env::{EnvErrors, Vars};
use test_support::{Failed, check};

use super::manifests::{Manifests, Workload, entries, list};

const TLS: &str = "/etc/order-system/tls";
/// The address that production's NetworkPolicies allow for traces.
const COLLECTOR: &str = "http://opentelemetry-collector.monitoring:4317";

pub(super) fn are_accepted(all: &Manifests) -> Result<(), Failed> {
    let files = tempfile::tempdir()?;
    certificate(files.path())?;
    for workload in all.workloads().filter(|workload| workload.is_ours()) {
        let vars = container_vars(all, workload, files.path())?;
        let program = program(workload.container()["image"].as_str().unwrap_or_default());
        let command = list(&workload.container()["args"]).first().and_then(Value::as_str);
        accepted(workload.name(), program, command, vars)?;
    }
    Ok(())
}

/// In production each service exports to the collector, and the gateway alone samples. The local overlay
/// exports nothing.
pub(super) fn name_the_collector(all: &Manifests, overlay: &str) -> Result<(), Failed> {
    let (files, is_traced) = (tempfile::tempdir()?, overlay == "production");
    for workload in all.workloads().filter(|workload| workload.is_ours() && !workload.is_job()) {
        let vars = container_vars(all, workload, files.path())?;
        let value = |name: &str| vars.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str());
        let (name, endpoint) = (workload.name(), value("OTEL_EXPORTER_OTLP_ENDPOINT"));
        check(endpoint == is_traced.then_some(COLLECTOR), || format!("{name} exports to {endpoint:?}"))?;
        let samples = value("OTEL_TRACES_SAMPLER").is_some();
        check(samples == (is_traced && name == "gateway"), || format!("{name} samples: {samples}"))?;
    }
    Ok(())
}

/// The program of an image: `registry.example/order-system/order:0.1.0` runs `order`.
fn program(image: &str) -> &str {
    let (_, name) = image.rsplit_once("order-system/").unwrap_or_default();
    name.split([':', '@']).next().unwrap_or_default()
}

/// Checks that `program` starts with these variables, and that a service declares each.
pub(super) fn accepted(
    container: &str,
    program: &str,
    command: Option<&str>,
    vars: Vec<(String, String)>,
) -> Result<(), Failed> {
    let services = [gateway::config::VARIABLES, order::config::VARIABLES, payment::config::VARIABLES];
    for (name, _) in &vars {
        let mut declared = services.iter().copied().flatten().copied().flatten();
        let is_declared = declared.any(|variable| variable.names().any(|declared| declared == *name));
        check(is_declared, || format!("{container}: no service reads {name}"))?;
    }
    let vars: Vars = vars.into_iter().collect();
    let parsed: Result<(), EnvErrors> = match (program, command) {
        (_, Some("migrate")) => database::Config::read_for_command(&vars).map(drop),
        ("gateway", None) => gateway::Config::read(&vars).map(drop),
        ("order", None) => order::Config::read(&vars).map(drop),
        ("payment", None) => payment::Config::read(&vars).map(drop),
        other => return Err(format!("{container} runs {other:?}").into()),
    };
    parsed.map_err(|errors| format!("{container}: {errors}").into())
}

/// The variables of a container, with the files of its volumes in `files`.
fn container_vars(
    all: &Manifests,
    workload: Workload<'_>,
    files: &Path,
) -> Result<Vec<(String, String)>, Failed> {
    let container = workload.container();
    let mut vars = Vec::new();
    for from in list(&container["envFrom"]) {
        let name = from["configMapRef"]["name"].as_str().unwrap_or_default();
        let map = all.named("ConfigMap", name).ok_or_else(|| format!("no ConfigMap {name}"))?;
        vars.extend(entries(&map["data"]).map(|(name, value)| (name.clone(), text(value))));
    }
    vars.extend(list(&container["env"]).iter().map(|one| (text(&one["name"]), text(&one["value"]))));
    for (name, value) in &mut vars {
        if name == "DATA_SOURCE_URL_FILE" {
            *value = secret_file(all, workload, value, files)?;
        }
        *value = value.replace(TLS, &files.display().to_string());
    }
    Ok(vars)
}

/// Writes the database URL that is mounted at `path` to a file; a placeholder where the manifests lack its
/// Secret.
fn secret_file(all: &Manifests, workload: Workload<'_>, path: &str, files: &Path) -> Result<String, Failed> {
    let (directory, key) = path.rsplit_once('/').ok_or("no path")?;
    let mut mounts = list(&workload.container()["volumeMounts"]).iter();
    let mount = mounts
        .find(|mount| mount["mountPath"] == directory)
        .ok_or_else(|| format!("nothing is mounted at {directory}"))?;
    let mut volumes = list(&workload.pod()["volumes"]).iter();
    let volume = volumes.find(|volume| volume["name"] == mount["name"]).ok_or("no such volume")?;
    let name = volume["secret"]["secretName"].as_str().ok_or("no Secret")?;
    let url = all
        .named("Secret", name)
        .map_or("user:pass@tcp(host:3306)/database".to_owned(), |secret| text(&secret["data"][key]));
    let file = files.join(workload.name());
    fs::write(&file, url)?;
    Ok(file.display().to_string())
}

fn certificate(directory: &Path) -> Result<(), Failed> {
    let made = rcgen::generate_simple_self_signed(["order".to_owned()])?;
    fs::write(directory.join("tls.crt"), made.cert.pem())?;
    fs::write(directory.join("ca.crt"), made.cert.pem())?;
    fs::write(directory.join("tls.key"), made.signing_key.serialize_pem())?;
    Ok(())
}

/// A scalar as the text of a variable.
pub(super) fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
