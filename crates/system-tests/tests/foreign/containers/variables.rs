//! What containers are given, read as the programs themselves read it.

use std::{fs, path::Path};

use serde_json::Value;
use service_kit::env::{EnvErrors, Vars};
use test_support::{Failed, check};

use super::manifests::{Manifests, Workload, entries, list};
use crate::tree::workspace;

const TLS: &str = "/etc/order-system/tls";
/// Where production's NetworkPolicies let traces through.
const COLLECTOR: &str = "http://opentelemetry-collector.monitoring:4317";

pub(super) fn are_accepted(all: &Manifests) -> Result<(), Failed> {
    let files = tempfile::tempdir()?;
    certificate(files.path())?;
    for workload in all.workloads().filter(|workload| workload.is_ours()) {
        let given = given(all, workload, files.path())?;
        let program = program(workload.container()["image"].as_str().unwrap_or_default());
        let command = list(&workload.container()["args"]).first().and_then(Value::as_str);
        accepted(workload.name(), program, command, given)?;
    }
    Ok(())
}

/// Each service tells the collector of production, and the gateway alone says what it is told; elsewhere nobody is.
pub(super) fn lead_to_the_collector(all: &Manifests, overlay: &str) -> Result<(), Failed> {
    let (files, is_traced) = (tempfile::tempdir()?, overlay == "production");
    for workload in all.workloads().filter(|workload| workload.is_ours() && !workload.is_job()) {
        let given = given(all, workload, files.path())?;
        let of = |name: &str| given.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str());
        let (name, endpoint) = (workload.name(), of("OTEL_EXPORTER_OTLP_ENDPOINT"));
        check(endpoint == is_traced.then_some(COLLECTOR), || format!("{name} tells {endpoint:?}"))?;
        let decides = of("OTEL_TRACES_SAMPLER").is_some();
        check(decides == (is_traced && name == "gateway"), || format!("{name} decides: {decides}"))?;
    }
    Ok(())
}

/// Which of our programs an image is of: `registry.example/order-system/order:0.1.0` is `order`.
fn program(image: &str) -> &str {
    let (_, name) = image.rsplit_once("order-system/").unwrap_or_default();
    name.split([':', '@']).next().unwrap_or_default()
}

/// Whether `program` starts with these variables, and knows each.
pub(super) fn accepted(
    who: &str,
    program: &str,
    command: Option<&str>,
    given: Vec<(String, String)>,
) -> Result<(), Failed> {
    let table = fs::read_to_string(workspace().join("README.md"))?;
    for (name, _) in &given {
        let known = table.lines().any(|line| line.starts_with("| `") && line.contains(&format!("`{name}`")));
        check(known, || format!("{who}: the README knows no {name}"))?;
    }
    let vars: Vars = given.into_iter().collect();
    let read: Result<(), EnvErrors> = match (program, command) {
        (_, Some("migrate")) => database::Config::read_for_command(&vars).map(drop),
        ("gateway", None) => gateway::Config::read(&vars).map(drop),
        ("order", None) => order::Config::read(&vars).map(drop),
        ("payment", None) => payment::Config::read(&vars).map(drop),
        other => return Err(format!("{who} runs {other:?}").into()),
    };
    read.map_err(|errors| format!("{who}: {errors}").into())
}

/// The variables of a container, with files of its volumes in `files`.
fn given(all: &Manifests, workload: Workload<'_>, files: &Path) -> Result<Vec<(String, String)>, Failed> {
    let container = workload.container();
    let mut given = Vec::new();
    for from in list(&container["envFrom"]) {
        let name = from["configMapRef"]["name"].as_str().unwrap_or_default();
        let map = all.named("ConfigMap", name).ok_or_else(|| format!("no ConfigMap {name}"))?;
        given.extend(entries(&map["data"]).map(|(name, value)| (name.clone(), text(value))));
    }
    given.extend(list(&container["env"]).iter().map(|one| (text(&one["name"]), text(&one["value"]))));
    for (name, value) in &mut given {
        if name == "DATA_SOURCE_URL_FILE" {
            *value = secret(all, workload, value, files)?;
        }
        *value = value.replace(TLS, &files.display().to_string());
    }
    Ok(given)
}

/// The file of the URL that is mounted at `path`; one of a form that will do where its Secret is made elsewhere.
fn secret(all: &Manifests, workload: Workload<'_>, path: &str, files: &Path) -> Result<String, Failed> {
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

/// A scalar as a variable has it.
pub(super) fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
