//! compose.yaml: networks, ports, limits and variables.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use serde_json::{Value, json};
use test_support::{Failed, check};

use super::{
    manifests::{entries, list},
    read,
    variables::{accepted, text},
};
use crate::paths::workspace;

/// The environment of `docker compose`, or a file `.env`.
type ComposeEnv<'a> = BTreeMap<&'a str, &'a str>;

/// The networks of each service, observability aside.
const NETWORKS: [(&str, &[&str]); 6] = [
    ("gateway", &["edge", "public"]),
    ("order", &["core", "edge"]),
    ("payment", &["core"]),
    ("database", &["core"]),
    ("order-migrate", &["core"]),
    ("payment-migrate", &["core"]),
];

async fn file() -> Result<Value, Failed> {
    Ok(read(&workspace().join("compose.yaml")).await?.into_iter().next().ok_or("an empty compose.yaml")?)
}

pub(super) async fn check_file() -> Result<(), Failed> {
    let file = file().await?;
    let services: Vec<_> =
        entries(&file["services"]).filter(|(_, service)| service["profiles"].is_null()).collect();
    let names: BTreeSet<&str> = services.iter().map(|(name, _)| name.as_str()).collect();
    check(names == NETWORKS.map(|(name, _)| name).into(), || format!("{names:?}"))?;
    for (name, expected) in NETWORKS {
        let mut on: Vec<&str> =
            list(&file["services"][name]["networks"]).iter().filter_map(Value::as_str).collect();
        on.sort_unstable();
        check(on == expected, || format!("{name} is on {on:?}"))?;
    }
    for network in ["edge", "core"] {
        check(file["networks"][network]["internal"] == true, || format!("{network} is not internal"))?;
    }
    for (name, service) in entries(&file["services"]) {
        check_limits(name, service)?;
        for port in list(&service["ports"]) {
            let loopback = interpolated(&text(port), &ComposeEnv::new()).starts_with("127.0.0.1:");
            let allowed = name == "gateway" || service["profiles"] == json!(["observability"]);
            check(loopback && allowed, || format!("{name} publishes {port}"))?;
        }
    }
    for (name, service) in services.iter().filter(|(name, _)| name.as_str() != "database") {
        let command = list(&service["command"]).first().and_then(Value::as_str);
        let program = service["build"]["target"].as_str().unwrap_or_default();
        accepted(name, program, command, container_vars(&file, service, &ComposeEnv::new()))?;
    }
    Ok(())
}

/// Variables in the environment of `docker compose` turn traces and tokens on, as documented.
pub(super) async fn passes_variables() -> Result<(), Failed> {
    let (file, directory) = (file().await?, tempfile::tempdir()?);
    let secret = directory.path().join("secret");
    fs::write(&secret, "0123456789abcdef0123456789abcdef\n")?;
    let env = ComposeEnv::from([
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317"),
        ("OTEL_TRACES_SAMPLER", "traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
        ("AUTH", ""),
        ("AUTH_HS256_SECRET_FILE", secret.to_str().ok_or("a path that is not UTF-8")?),
        ("AUTH_ISSUER", "me"),
        ("AUTH_AUDIENCE", "orders"),
        ("AUTH_LEEWAY_SECONDS", "7"),
    ]);
    let vars_of = |name: &str, env| container_vars(&file, &file["services"][name], env);
    let mut gateway = vars_of("gateway", &env);
    // The gateway accepts this variable only with tokens.
    gateway.push(("RATE_LIMIT_PER_SUBJECT".to_owned(), "1/1".to_owned()));
    let gateway = gateway::Config::read(&gateway.into_iter().collect())?;
    let order = order::Config::read(&vars_of("order", &env).into_iter().collect())?;
    let payment = payment::Config::read(&vars_of("payment", &env).into_iter().collect())?;
    for (name, traces) in
        [("gateway", &gateway.traces), ("order", &order.traces), ("payment", &payment.traces)]
    {
        check(traces.is_on(), || format!("{name} exports no traces"))?;
        let samples = format!("{traces:?}").contains("0.25");
        check(samples == (name == "gateway"), || format!("{name}: {traces:?}"))?;
    }
    let issuer = ("AUTH_JWKS_URL", "https://issuer.example/keys");
    let env = ComposeEnv::from([("AUTH", ""), issuer, ("AUTH_ISSUER", "me"), ("AUTH_AUDIENCE", "orders")]);
    gateway::Config::read(&vars_of("gateway", &env).into_iter().collect())?;
    Ok(())
}

/// The variables of a service's container, with the paths of its secrets outside of the container.
fn container_vars(file: &Value, service: &Value, env: &ComposeEnv<'_>) -> Vec<(String, String)> {
    let mut vars: Vec<_> = entries(&service["environment"])
        .map(|(name, value)| (name.clone(), interpolated(&text(value), env)))
        .collect();
    for secret in list(&service["secrets"]).iter().filter_map(Value::as_str) {
        let path = interpolated(&text(&file["secrets"][secret]["file"]), env);
        let path = workspace().join(path).display().to_string();
        for (_, value) in vars.iter_mut().filter(|(_, value)| *value == format!("/run/secrets/{secret}")) {
            value.clone_from(&path);
        }
    }
    vars
}

fn check_limits(name: &str, service: &Value) -> Result<(), Failed> {
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

/// Interpolates `${NAME:-default}`, `${NAME-default}` and `${NAME:+instead}` as Compose does.
fn interpolated(text: &str, env: &ComposeEnv<'_>) -> String {
    let Some((before, rest)) = text.split_once("${") else { return text.to_owned() };
    let (inner, after) = rest.split_once('}').unwrap_or((rest, ""));
    let (name, rule) = inner.split_at(inner.find([':', '-']).unwrap_or(inner.len()));
    let set = env.get(name).copied();
    let non_empty = set.filter(|value| !value.is_empty());
    let value = match (rule.strip_prefix(":+"), rule.strip_prefix(":-")) {
        (Some(instead), _) => non_empty.map_or("", |_| instead),
        (_, Some(default)) => non_empty.unwrap_or(default),
        (None, None) => set.unwrap_or_else(|| rule.strip_prefix('-').unwrap_or_default()),
    };
    format!("{before}{value}{}", interpolated(after, env))
}
