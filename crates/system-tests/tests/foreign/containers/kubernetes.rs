//! What the schemas of Kubernetes do not see: names that must meet, and how pods are confined.

use std::time::Duration;

use serde_json::{Value, json};
use service_kit::{process::DRAIN_MAX, trace::FLUSH_MAX};
use test_support::{Failed, check};

use super::manifests::{Manifests, Workload, list};

/// What the production overlay says is made elsewhere.
const MADE_ELSEWHERE: [&str; 7] = [
    "order-database",
    "order-migrate-database",
    "payment-database",
    "payment-migrate-database",
    "gateway-tls",
    "order-tls",
    "payment-tls",
];
const SERVICES: [&str; 3] = ["gateway", "order", "payment"];

pub(super) fn meets(all: &Manifests, overlay: &str) -> Result<(), Failed> {
    for name in SERVICES {
        for kind in
            ["Deployment", "Service", "PodDisruptionBudget", "HorizontalPodAutoscaler", "ServiceAccount"]
        {
            check(all.has(kind, name), || format!("{overlay} has no {kind} {name}"))?;
        }
    }
    for name in ["order", "payment"] {
        let headless =
            all.named("Service", name).is_some_and(|service| service["spec"]["clusterIP"] == "None");
        check(headless, || {
            format!("the Service {name} is one address, and its callers would use one instance")
        })?;
        let balanced = all.named("Service", &format!("{name}-balanced"));
        check(balanced.is_some_and(|service| service["spec"]["clusterIP"].is_null()), || {
            format!("{name} has no Service with an address of its own")
        })?;
    }
    services_lead_to_ports(all)?;
    for budget in all.of_kind("PodDisruptionBudget") {
        let selected = all.selected(&budget["spec"]["selector"]["matchLabels"]);
        let name = &budget["metadata"]["name"];
        check(selected.len() == 1 && selected[0].name() == name, || {
            format!("the budget {name} selects others")
        })?;
    }
    for scaler in all.of_kind("HorizontalPodAutoscaler") {
        let target = &scaler["spec"]["scaleTargetRef"];
        let (kind, name) =
            (target["kind"].as_str().unwrap_or_default(), target["name"].as_str().unwrap_or_default());
        check(all.has(kind, name), || format!("what scales {kind} {name} scales nothing"))?;
        let at_least = scaler["spec"]["minReplicas"].as_u64().unwrap_or_default();
        check(at_least >= 2, || format!("one {name} is no spare"))?;
    }
    for workload in all.workloads() {
        own_selectors_match(workload)?;
        references_exist(all, workload, overlay)?;
    }
    Ok(())
}

fn services_lead_to_ports(all: &Manifests) -> Result<(), Failed> {
    for service in all.of_kind("Service") {
        let (name, spec) = (&service["metadata"]["name"], &service["spec"]);
        let selected = all.selected(&spec["selector"]);
        check(selected.len() == 1, || format!("the Service {name} selects {} workloads", selected.len()))?;
        for port in list(&spec["ports"]) {
            let leads = selected[0].port(&port["targetPort"]).is_some();
            check(leads, || format!("the Service {name} leads to no port: {port}"))?;
        }
    }
    for ingress in all.of_kind("Ingress") {
        for path in list(&ingress["spec"]["rules"]).iter().flat_map(|rule| list(&rule["http"]["paths"])) {
            let backend = &path["backend"]["service"];
            let service = all.named("Service", backend["name"].as_str().unwrap_or_default());
            let ports = service.map(|service| list(&service["spec"]["ports"])).unwrap_or_default();
            let leads = backend["name"] == "gateway"
                && ports.iter().any(|port| port["name"] == backend["port"]["name"]);
            check(leads, || format!("the Ingress leads elsewhere than to the gateway: {backend}"))?;
        }
    }
    Ok(())
}

fn own_selectors_match(workload: Workload<'_>) -> Result<(), Failed> {
    let name = workload.name();
    if !workload.is_job() {
        let selector = &workload.spec()["selector"]["matchLabels"];
        check(selector.is_object() && workload.matches(selector), || {
            format!("{name} does not select its own pods")
        })?;
    }
    for constraint in list(&workload.pod()["topologySpreadConstraints"]) {
        let selector = &constraint["labelSelector"]["matchLabels"];
        check(selector.is_object() && workload.matches(selector), || {
            format!("{name} is spread by others' labels")
        })?;
    }
    let probed = |probe: &str| {
        let probe = &workload.container()[probe];
        let of_program =
            workload.port(&probe["httpGet"]["port"]).is_some() && probe["httpGet"]["port"] == "admin";
        if workload.is_ours() { of_program } else { probe.is_object() }
    };
    let all = ["startupProbe", "livenessProbe", "readinessProbe"].into_iter().all(probed);
    check(workload.is_job() || all, || format!("{name} lacks a probe, or its port"))
}

fn references_exist(all: &Manifests, workload: Workload<'_>, overlay: &str) -> Result<(), Failed> {
    let (name, pod, container) = (workload.name(), workload.pod(), workload.container());
    let mut wanted: Vec<(&str, &Value)> = Vec::new();
    for from in list(&container["envFrom"]) {
        wanted.push(("ConfigMap", &from["configMapRef"]["name"]));
    }
    for volume in list(&pod["volumes"]) {
        let of_secret = list(&volume["projected"]["sources"]).iter().map(|source| &source["secret"]["name"]);
        wanted.extend(of_secret.chain([&volume["secret"]["secretName"]]).map(|name| ("Secret", name)));
        wanted.push(("ConfigMap", &volume["configMap"]["name"]));
    }
    for (kind, wanted) in wanted.into_iter().filter_map(|(kind, name)| Some((kind, name.as_str()?))) {
        let elsewhere = overlay == "production" && kind == "Secret" && MADE_ELSEWHERE.contains(&wanted);
        check(all.has(kind, wanted) || elsewhere, || format!("{name}: there is no {kind} {wanted}"))?;
    }
    for mount in list(&container["volumeMounts"]) {
        let volumes = list(&pod["volumes"]).iter().chain(list(&workload.spec()["volumeClaimTemplates"]));
        let mut names =
            volumes.map(
                |volume| if volume["name"].is_null() { &volume["metadata"]["name"] } else { &volume["name"] },
            );
        check(names.any(|name| *name == mount["name"]), || {
            format!("{name}: there is no volume for {mount}")
        })?;
    }
    Ok(())
}

/// The Pod Security Standard `restricted`, which the namespace demands, and more: a root that nobody writes to, no token.
pub(super) fn is_confined(all: &Manifests) -> Result<(), Failed> {
    let namespace = all.of_kind("Namespace").next().ok_or("no Namespace")?;
    let demanded = &namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"];
    check(demanded == "restricted", || format!("the namespace demands {demanded}"))?;
    for workload in all.workloads() {
        let (name, pod, container) = (workload.name(), workload.pod(), workload.container());
        check(list(&pod["containers"]).len() == 1 && pod["initContainers"].is_null(), || {
            format!("{name}: more than one container")
        })?;
        let (of_pod, own) = (&pod["securityContext"], &container["securityContext"]);
        for (what, holds) in [
            ("runAsNonRoot", of_pod["runAsNonRoot"] == true),
            ("runAsUser", of_pod["runAsUser"].as_u64().is_some_and(|user| user != 0)),
            ("seccompProfile", of_pod["seccompProfile"]["type"] == "RuntimeDefault"),
            ("allowPrivilegeEscalation", own["allowPrivilegeEscalation"] == false),
            ("readOnlyRootFilesystem", own["readOnlyRootFilesystem"] == true),
            ("capabilities", own["capabilities"] == json!({"drop": ["ALL"]})),
            ("automountServiceAccountToken", pod["automountServiceAccountToken"] == false),
            ("enableServiceLinks", pod["enableServiceLinks"] == false),
            ("requests", container["resources"]["requests"]["cpu"].is_string()),
            ("limits", container["resources"]["limits"]["memory"].is_string()),
        ] {
            check(holds, || format!("{name}: {what}"))?;
        }
        if workload.is_ours() && !workload.is_job() {
            let seconds = |value: &Value| Duration::from_secs(value.as_u64().unwrap_or_default());
            let pause = seconds(&container["lifecycle"]["preStop"]["sleep"]["seconds"]);
            let grace = seconds(&pod["terminationGracePeriodSeconds"]);
            check(grace > pause + DRAIN_MAX + FLUSH_MAX, || {
                format!("{name} is killed before it has drained and sent its last spans")
            })?;
        }
    }
    Ok(())
}
