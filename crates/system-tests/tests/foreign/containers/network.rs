//! Who may connect to whom, worked out from the NetworkPolicies as a cluster would.

use std::collections::BTreeSet;

use serde_json::Value;
use test_support::{Failed, check};

use super::manifests::{Manifests, Workload, entries, list};

/// From, to, port.
type Edge = (String, String, u64);

pub(super) fn leads_where_intended(all: &Manifests, overlay: &str) -> Result<(), Failed> {
    let policies: Vec<&Value> = all.of_kind("NetworkPolicy").map(|policy| &policy["spec"]).collect();
    for peer in policies.iter().flat_map(|policy| peers(policy)).chain(policies.iter().copied()) {
        let selector = &peer["podSelector"]["matchLabels"];
        let within = peer["namespaceSelector"].is_null() && selector.is_object();
        check(!within || !all.selected(selector).is_empty(), || {
            format!("a policy names labels that no pod has: {selector}")
        })?;
    }
    let mut intended: BTreeSet<Edge> = BTreeSet::new();
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
    let found = edges(all, &policies);
    check(found == intended, || {
        let (more, less) = (found.difference(&intended), intended.difference(&found));
        format!("also {:#?}; not {:#?}", more.collect::<Vec<_>>(), less.collect::<Vec<_>>())
    })
}

fn peers(policy: &Value) -> Vec<&Value> {
    let of = |direction: &str, side: &'static str| {
        list(&policy[direction]).iter().flat_map(move |rule| list(&rule[side])).collect::<Vec<_>>()
    };
    [of("ingress", "from"), of("egress", "to")].concat()
}

fn edges(all: &Manifests, policies: &[&Value]) -> BTreeSet<Edge> {
    let mut found = BTreeSet::new();
    let allowed = |workload: Workload<'_>, direction: &str, peer: Workload<'_>, port: u64| {
        rules(policies, workload, direction)
            .any(|rule| ports(rule).contains(&port) && sides(rule).iter().any(|side| is(side, peer)))
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
        let own = || from.name().to_owned();
        for (peer, port) in rules(policies, from, "ingress").flat_map(outsiders) {
            found.insert((format!("from {peer}"), own(), port));
        }
        for (peer, port) in rules(policies, from, "egress").flat_map(outsiders) {
            found.insert((own(), format!("to {peer}"), port));
        }
    }
    found
}

/// Whom beyond the pods of the system a rule is for, with each port.
fn outsiders(rule: &Value) -> Vec<(String, u64)> {
    let with_ports = |peer: String| ports(rule).into_iter().map(move |port| (peer.clone(), port));
    sides(rule).iter().filter_map(outside).flat_map(with_ports).collect()
}

/// What the policies that select `workload` allow in this direction. It is selected by one that allows nothing, so that
/// what no rule allows is refused.
fn rules<'a>(
    policies: &'a [&'a Value],
    workload: Workload<'a>,
    direction: &'a str,
) -> impl Iterator<Item = &'a Value> {
    let selecting =
        policies.iter().filter(move |policy| workload.matches(&policy["podSelector"]["matchLabels"]));
    let bound = selecting.clone().any(|policy| {
        list(&policy["policyTypes"])
            .iter()
            .any(|kind| kind.as_str().is_some_and(|kind| kind.eq_ignore_ascii_case(direction)))
    });
    assert!(bound, "{} is bound by no policy of {direction}", workload.name());
    selecting.flat_map(move |policy| list(&policy[direction]))
}

/// A rule without sides, or without ports, would be for all of them.
fn sides(rule: &Value) -> &[Value] {
    let sides = if rule["from"].is_array() { &rule["from"] } else { &rule["to"] };
    assert!(!list(sides).is_empty(), "{rule} is for everyone");
    list(sides)
}

fn ports(rule: &Value) -> BTreeSet<u64> {
    let ports: BTreeSet<u64> = list(&rule["ports"]).iter().filter_map(|port| port["port"].as_u64()).collect();
    assert!(!ports.is_empty(), "{rule} is for every port");
    ports
}

/// A selector without labels is for all pods; the more intricate ones are not read here, and so must not be there.
fn is(side: &Value, workload: Workload<'_>) -> bool {
    let selector = &side["podSelector"];
    assert!(selector["matchExpressions"].is_null(), "{selector} is not read by this test");
    outside(side).is_none() && selector.is_object() && workload.matches(&selector["matchLabels"])
}

/// A namespace, or a block of addresses.
fn outside(side: &Value) -> Option<String> {
    let namespace =
        entries(&side["namespaceSelector"]["matchLabels"]).next().and_then(|(_, name)| name.as_str());
    namespace.or(side["ipBlock"]["cidr"].as_str()).map(str::to_owned)
}
