//! What the schemas of Kubernetes do not cover: names that must resolve, and the restrictions of pods.

use std::time::Duration;

use serde_json::{Value, json};
use service_kit::{process::DRAIN_MAX, trace::FLUSH_MAX};
use test_support::{Failed, check};

use super::manifests::{Manifests, Workload, list};

/// Secrets that the production overlay expects to exist.
const EXTERNAL_SECRETS: [&str; 7] = [
    "order-database",
    "order-migrate-database",
    "payment-database",
    "payment-migrate-database",
    "gateway-tls",
    "order-tls",
    "payment-tls",
];
const SERVICES: [&str; 3] = ["gateway", "order", "payment"];

pub(super) fn references_resolve(all: &Manifests, overlay: &str) -> Result<(), Failed> {
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
        check(headless, || format!("the Service {name} is not headless: clients would use one instance"))?;
        let balanced = all.named("Service", &format!("{name}-balanced"));
        check(balanced.is_some_and(|service| service["spec"]["clusterIP"].is_null()), || {
            format!("{name} has no Service with a cluster IP")
        })?;
    }
    services_have_ports(all)?;
    for budget in all.of_kind("PodDisruptionBudget") {
        let selected = all.selected(&budget["spec"]["selector"]["matchLabels"]);
        let name = &budget["metadata"]["name"];
        check(selected.len() == 1 && selected[0].name() == name, || {
            format!("the budget {name} selects other workloads")
        })?;
    }
    for scaler in all.of_kind("HorizontalPodAutoscaler") {
        let target = &scaler["spec"]["scaleTargetRef"];
        let (kind, name) =
            (target["kind"].as_str().unwrap_or_default(), target["name"].as_str().unwrap_or_default());
        check(all.has(kind, name), || format!("the autoscaler's target {kind} {name} does not exist"))?;
        let replicas_min = scaler["spec"]["minReplicas"].as_u64().unwrap_or_default();
        check(replicas_min >= 2, || format!("{name} may have one replica"))?;
    }
    for workload in all.workloads() {
        own_selectors_match(workload)?;
        references_exist(all, workload, overlay)?;
    }
    Ok(())
}

fn services_have_ports(all: &Manifests) -> Result<(), Failed> {
    for service in all.of_kind("Service") {
        let (name, spec) = (&service["metadata"]["name"], &service["spec"]);
        let selected = all.selected(&spec["selector"]);
        check(selected.len() == 1, || format!("the Service {name} selects {} workloads", selected.len()))?;
        for port in list(&spec["ports"]) {
            let exists = selected[0].port(&port["targetPort"]).is_some();
            check(exists, || format!("the Service {name} targets no port: {port}"))?;
        }
    }
    for ingress in all.of_kind("Ingress") {
        for path in list(&ingress["spec"]["rules"]).iter().flat_map(|rule| list(&rule["http"]["paths"])) {
            let backend = &path["backend"]["service"];
            let service = all.named("Service", backend["name"].as_str().unwrap_or_default());
            let ports = service.map(|service| list(&service["spec"]["ports"])).unwrap_or_default();
            let to_gateway = backend["name"] == "gateway"
                && ports.iter().any(|port| port["name"] == backend["port"]["name"]);
            check(to_gateway, || format!("the Ingress does not target the gateway: {backend}"))?;
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
            format!("{name} is spread by the labels of other workloads")
        })?;
    }
    let probed = |probe: &str| {
        let probe = &workload.container()[probe];
        let admin_port =
            workload.port(&probe["httpGet"]["port"]).is_some() && probe["httpGet"]["port"] == "admin";
        if workload.is_ours() { admin_port } else { probe.is_object() }
    };
    let all = ["startupProbe", "livenessProbe", "readinessProbe"].into_iter().all(probed);
    check(workload.is_job() || all, || format!("{name} lacks a probe, or the probe's port"))
}

fn references_exist(all: &Manifests, workload: Workload<'_>, overlay: &str) -> Result<(), Failed> {
    let (name, pod, container) = (workload.name(), workload.pod(), workload.container());
    let mut references: Vec<(&str, &Value)> = Vec::new();
    for from in list(&container["envFrom"]) {
        references.push(("ConfigMap", &from["configMapRef"]["name"]));
    }
    for volume in list(&pod["volumes"]) {
        let of_secret = list(&volume["projected"]["sources"]).iter().map(|source| &source["secret"]["name"]);
        references.extend(of_secret.chain([&volume["secret"]["secretName"]]).map(|name| ("Secret", name)));
        references.push(("ConfigMap", &volume["configMap"]["name"]));
    }
    for (kind, reference) in references.into_iter().filter_map(|(kind, name)| Some((kind, name.as_str()?))) {
        let external = overlay == "production" && kind == "Secret" && EXTERNAL_SECRETS.contains(&reference);
        check(all.has(kind, reference) || external, || format!("{name}: there is no {kind} {reference}"))?;
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

/// The Pod Security Standard `restricted`, which the namespace enforces; also a read-only root and no service
/// account token.
pub(super) fn pods_are_restricted(all: &Manifests) -> Result<(), Failed> {
    let namespace = all.of_kind("Namespace").next().ok_or("no Namespace")?;
    let enforced = &namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"];
    check(enforced == "restricted", || format!("the namespace enforces {enforced}"))?;
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
                format!("{name} is killed before it has drained its requests and exported its spans")
            })?;
        }
    }
    Ok(())
}
