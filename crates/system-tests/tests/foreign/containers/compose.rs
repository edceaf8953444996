//! What compose.yaml says.

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
use crate::tree::workspace;

/// The environment of whoever starts it, or a file `.env`.
type Told<'a> = BTreeMap<&'a str, &'a str>;

/// Which networks each is on, in the system itself.
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

pub(super) async fn holds() -> Result<(), Failed> {
    let file = file().await?;
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
            let inward = interpolated(&text(port), &Told::new()).starts_with("127.0.0.1:");
            let allowed = name == "gateway" || service["profiles"] == json!(["observability"]);
            check(inward && allowed, || format!("{name} publishes {port}"))?;
        }
    }
    for (name, service) in own.iter().filter(|(name, _)| name.as_str() != "database") {
        let command = list(&service["command"]).first().and_then(Value::as_str);
        let program = service["build"]["target"].as_str().unwrap_or_default();
        accepted(name, program, command, given(&file, service, &Told::new()))?;
    }
    Ok(())
}

/// Traces and tokens, turned on by whoever starts it, as the README says.
pub(super) async fn takes_what_it_is_told() -> Result<(), Failed> {
    let (file, directory) = (file().await?, tempfile::tempdir()?);
    let secret = directory.path().join("secret");
    fs::write(&secret, "0123456789abcdef0123456789abcdef\n")?;
    let told = Told::from([
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317"),
        ("OTEL_TRACES_SAMPLER", "traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
        ("AUTH", ""),
        ("AUTH_HS256_SECRET_FILE", secret.to_str().ok_or("a path that is no text")?),
        ("AUTH_ISSUER", "me"),
        ("AUTH_AUDIENCE", "orders"),
        ("AUTH_LEEWAY_SECONDS", "7"),
    ]);
    let to = |name: &str, told| given(&file, &file["services"][name], told);
    let mut of_gateway = to("gateway", &told);
    // Refused where no token tells whose a request is.
    of_gateway.push(("RATE_LIMIT_PER_SUBJECT".to_owned(), "1/1".to_owned()));
    let gateway = gateway::Config::read(&of_gateway.into_iter().collect())?;
    let order = order::Config::read(&to("order", &told).into_iter().collect())?;
    let payment = payment::Config::read(&to("payment", &told).into_iter().collect())?;
    for (name, traces) in
        [("gateway", &gateway.traces), ("order", &order.traces), ("payment", &payment.traces)]
    {
        check(traces.is_on(), || format!("{name} exports no traces"))?;
        let decides = format!("{traces:?}").contains("0.25");
        check(decides == (name == "gateway"), || format!("{name}: {traces:?}"))?;
    }
    let issuer = ("AUTH_JWKS_URL", "https://issuer.example/keys");
    let told = Told::from([("AUTH", ""), issuer, ("AUTH_ISSUER", "me"), ("AUTH_AUDIENCE", "orders")]);
    gateway::Config::read(&to("gateway", &told).into_iter().collect())?;
    Ok(())
}

/// The variables of a service's container where `told` is the environment of whoever starts it; its secrets are where Compose
/// finds them.
fn given(file: &Value, service: &Value, told: &Told<'_>) -> Vec<(String, String)> {
    let mut given: Vec<_> = entries(&service["environment"])
        .map(|(name, value)| (name.clone(), interpolated(&text(value), told)))
        .collect();
    for secret in list(&service["secrets"]).iter().filter_map(Value::as_str) {
        let outside = interpolated(&text(&file["secrets"][secret]["file"]), told);
        let outside = workspace().join(outside).display().to_string();
        for (_, value) in given.iter_mut().filter(|(_, value)| *value == format!("/run/secrets/{secret}")) {
            value.clone_from(&outside);
        }
    }
    given
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

/// What Compose makes of `${NAME:-default}`, `${NAME-default}` and `${NAME:+instead}`.
fn interpolated(text: &str, told: &Told<'_>) -> String {
    let Some((before, rest)) = text.split_once("${") else { return text.to_owned() };
    let (inner, after) = rest.split_once('}').unwrap_or((rest, ""));
    let (name, rule) = inner.split_at(inner.find([':', '-']).unwrap_or(inner.len()));
    let set = told.get(name).copied();
    let something = set.filter(|value| !value.is_empty());
    let value = match (rule.strip_prefix(":+"), rule.strip_prefix(":-")) {
        (Some(instead), _) => something.map_or("", |_| instead),
        (_, Some(default)) => something.unwrap_or(default),
        (None, None) => set.unwrap_or_else(|| rule.strip_prefix('-').unwrap_or_default()),
    };
    format!("{before}{value}{}", interpolated(after, told))
}
