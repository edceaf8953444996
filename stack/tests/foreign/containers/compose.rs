//! What compose.yaml says.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use trials::{Failed, check};

use super::{
    manifests::{entries, list},
    read,
    variables::{accepted, text},
};
use crate::tree::workspace;

/// Which networks each is on, in the system itself.
const NETWORKS: [(&str, &[&str]); 6] = [
    ("gateway", &["edge", "public"]),
    ("order", &["core", "edge"]),
    ("payment", &["core"]),
    ("database", &["core"]),
    ("order-migrate", &["core"]),
    ("payment-migrate", &["core"]),
];

pub(super) async fn holds() -> Result<(), Failed> {
    let documents = read(&workspace().join("compose.yaml")).await?;
    let file = documents.first().ok_or("an empty compose.yaml")?;
    let own: Vec<_> =
        entries(&file["services"]).filter(|(_, service)| service["profiles"].is_null()).collect();
    let names: BTreeSet<&str> = own.iter().map(|(name, _)| name.as_str()).collect();
    check(names == NETWORKS.map(|(name, _)| name).into(), || format!("{names:?}"))?;
    for (name, expected) in NETWORKS {
        let mut on: Vec<&str> =
            list(&file["services"][name]["networks"]).iter().filter_map(Value::as_str).collect();
        on.sort_unstable();
        check(on == expected, || format!("{name} is on {on:?}"))?;
    }
    for network in ["edge", "core"] {
        check(file["networks"][network]["internal"] == true, || format!("{network} leads outside"))?;
    }
    for (name, service) in entries(&file["services"]) {
        is_confined(name, service)?;
        for port in list(&service["ports"]) {
            let inward = default(&text(port)).starts_with("127.0.0.1:");
            let allowed = name == "gateway" || service["profiles"] == json!(["observability"]);
            check(inward && allowed, || format!("{name} publishes {port}"))?;
        }
    }
    for (name, service) in own.iter().filter(|(name, _)| name.as_str() != "database") {
        let given = entries(&service["environment"])
            .map(|(name, value)| (name.clone(), secret(&default(&text(value)))));
        let command = list(&service["command"]).first().and_then(Value::as_str);
        let program = service["build"]["target"].as_str().unwrap_or_default();
        accepted(name, program, command, given.collect())?;
    }
    Ok(())
}

fn is_confined(name: &str, service: &Value) -> Result<(), Failed> {
    let limits = &service["deploy"]["resources"]["limits"];
    for (what, holds) in [
        ("read_only", service["read_only"] == true),
        ("cap_drop", service["cap_drop"] == json!(["ALL"])),
        ("no-new-privileges", service["security_opt"] == json!(["no-new-privileges:true"])),
        ("restart", service["restart"].is_string()),
        ("memory", limits["memory"].is_string()),
        ("cpus", limits["cpus"].is_string()),
        ("pids", limits["pids"].is_u64()),
        ("secrets in the environment", !service["environment"].to_string().contains('@')),
    ] {
        check(holds, || format!("{name}: {what}"))?;
    }
    Ok(())
}

/// What Compose makes of `${NAME:-default}` where nothing is set.
fn default(text: &str) -> String {
    let Some((before, rest)) = text.split_once("${") else { return text.to_owned() };
    let (inner, after) = rest.split_once('}').unwrap_or((rest, ""));
    let value = inner.split_once(":-").map_or("", |(_, value)| value);
    format!("{before}{value}{}", default(after))
}

/// Where the file of a secret is, outside of a container.
fn secret(value: &str) -> String {
    let directory = workspace().join("deploy/secrets/development");
    value.replace("/run/secrets", &directory.display().to_string())
}
