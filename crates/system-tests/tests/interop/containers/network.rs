//! The connections that the NetworkPolicies allow, computed as a cluster does.

use std::collections::BTreeSet;

use serde_json::Value;
use test_support::{Failed, check};

use super::manifests::{Manifests, Workload, entries, list};

/// Source, destination, port.
type Connection = (String, String, u64);

pub(super) fn allows_only_intended(all: &Manifests, overlay: &str) -> Result<(), Failed> {
    let policies: Vec<&Value> = all.of_kind("NetworkPolicy").map(|policy| &policy["spec"]).collect();
    for peer in policies.iter().flat_map(|policy| peers(policy)).chain(policies.iter().copied()) {
        let selector = &peer["podSelector"]["matchLabels"];
        let in_namespace = peer["namespaceSelector"].is_null() && selector.is_object();
        check(!in_namespace || !all.selected(selector).is_empty(), || {
            format!("a policy selects labels that no pod has: {selector}")
        })?;
    }
    let mut intended: BTreeSet<Connection> = BTreeSet::new();
    let mut intend = |from: &str, to: &str, port| intended.insert((from.to_owned(), to.to_owned(), port));
    intend("gateway", "order", 3000);
    intend("order", "payment", 3001);
    intend("from ingress-nginx", "gateway", 8080);
    for (name, port) in [("gateway", 9080), ("order", 9000), ("payment", 9001)] {
        intend("from monitoring", name, port);
        intend(name, "to monitoring", 4317);
    }
    let database = if overlay == "local" { "database" } else { "to 192.0.2.0/28" };
    for client in ["order", "payment", "order-migrate", "payment-migrate"] {
        intend(client, database, 3306);
    }
    if overlay == "production" {
        intend("gateway", "to 198.51.100.0/28", 443);
    }
    for workload in all.workloads() {
        intend(workload.name(), "to kube-system", 53);
    }
    let allowed = connections(all, &policies);
    check(allowed == intended, || {
        let (excess, missing) = (allowed.difference(&intended), intended.difference(&allowed));
        format!("excess {:#?}; missing {:#?}", excess.collect::<Vec<_>>(), missing.collect::<Vec<_>>())
    })
}

fn peers(policy: &Value) -> Vec<&Value> {
    let of = |direction: &str, side: &'static str| {
        list(&policy[direction]).iter().flat_map(move |rule| list(&rule[side])).collect::<Vec<_>>()
    };
    [of("ingress", "from"), of("egress", "to")].concat()
}

fn connections(all: &Manifests, policies: &[&Value]) -> BTreeSet<Connection> {
    let mut found = BTreeSet::new();
    let allowed = |workload: Workload<'_>, direction: &str, peer: Workload<'_>, port: u64| {
        rules(policies, workload, direction)
            .any(|rule| ports(rule).contains(&port) && sides(rule).iter().any(|side| selects(side, peer)))
    };
    for from in all.workloads() {
        for to in all.workloads() {
            for port in
                list(&to.container()["ports"]).iter().filter_map(|port| port["containerPort"].as_u64())
            {
                if allowed(from, "egress", to, port) && allowed(to, "ingress", from, port) {
                    found.insert((from.name().to_owned(), to.name().to_owned(), port));
                }
            }
        }
        let name = || from.name().to_owned();
        for (peer, port) in rules(policies, from, "ingress").flat_map(external_peers) {
            found.insert((format!("from {peer}"), name(), port));
        }
        for (peer, port) in rules(policies, from, "egress").flat_map(external_peers) {
            found.insert((name(), format!("to {peer}"), port));
        }
    }
    found
}

/// The peers of a rule outside of the namespace, with each port.
fn external_peers(rule: &Value) -> Vec<(String, u64)> {
    let with_ports = |peer: String| ports(rule).into_iter().map(move |port| (peer.clone(), port));
    sides(rule).iter().filter_map(external).flat_map(with_ports).collect()
}

/// The rules of the policies that select `workload` in this direction. One of these policies must deny by
/// default.
fn rules<'a>(
    policies: &'a [&'a Value],
    workload: Workload<'a>,
    direction: &'a str,
) -> impl Iterator<Item = &'a Value> {
    let selecting =
        policies.iter().filter(move |policy| workload.matches(&policy["podSelector"]["matchLabels"]));
    let denies = selecting.clone().any(|policy| {
        list(&policy["policyTypes"])
            .iter()
            .any(|kind| kind.as_str().is_some_and(|kind| kind.eq_ignore_ascii_case(direction)))
    });
    assert!(denies, "{} is selected by no {direction} policy", workload.name());
    selecting.flat_map(move |policy| list(&policy[direction]))
}

/// A rule without peers, or without ports, would allow all of them.
fn sides(rule: &Value) -> &[Value] {
    let sides = if rule["from"].is_array() { &rule["from"] } else { &rule["to"] };
    assert!(!list(sides).is_empty(), "{rule} allows every peer");
    list(sides)
}

fn ports(rule: &Value) -> BTreeSet<u64> {
    let ports: BTreeSet<u64> = list(&rule["ports"]).iter().filter_map(|port| port["port"].as_u64()).collect();
    assert!(!ports.is_empty(), "{rule} allows every port");
    ports
}

/// A selector without labels selects all pods. This test does not support `matchExpressions`.
fn selects(side: &Value, workload: Workload<'_>) -> bool {
    let selector = &side["podSelector"];
    assert!(selector["matchExpressions"].is_null(), "this test does not support {selector}");
    external(side).is_none() && selector.is_object() && workload.matches(&selector["matchLabels"])
}

/// The name of another namespace, or a CIDR block.
fn external(side: &Value) -> Option<String> {
    let namespace =
        entries(&side["namespaceSelector"]["matchLabels"]).next().and_then(|(_, name)| name.as_str());
    namespace.or(side["ipBlock"]["cidr"].as_str()).map(str::to_owned)
}
