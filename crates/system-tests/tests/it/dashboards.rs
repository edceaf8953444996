//! Queries of the dashboard and of the alerts must name metrics that the services export: a query
//! of an unknown metric shows nothing and never alerts.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use all_in_one::System;
use serde_json::{Value, json};

use crate::support::{Client, order_body, scrape};

/// Labels that Prometheus adds to every sample.
const ADDED: [&str; 2] = ["job", "instance"];
/// The metric that Prometheus creates for every target.
const UP: &str = "up";

fn observability() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/observability")
}

/// Every query of the dashboard.
fn dashboard() -> Vec<String> {
    let text = fs::read_to_string(observability().join("dashboards/orders.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

/// The expression of every alert, each on one line.
fn alerts() -> Vec<String> {
    let text = fs::read_to_string(observability().join("alerts.yaml")).unwrap();
    let expressions: Vec<String> =
        text.lines().filter_map(|line| line.trim().strip_prefix("expr: ")).map(str::to_owned).collect();
    let alerts = text.lines().filter(|line| line.trim().starts_with("- alert: ")).count();
    assert_eq!(expressions.len(), alerts, "an expression to each alert, on one line");
    expressions
}

/// The metrics and labels in a query.
#[derive(Debug, Default, PartialEq, Eq)]
struct Query {
    metrics: BTreeSet<String>,
    labels: BTreeSet<String>,
}

impl Query {
    /// Parses as much of PromQL as is needed to find metrics and labels.
    fn parse(query: &str) -> Self {
        let mut named = Self::default();
        let mut rest = query;
        // Labels are within braces, or within the parentheses after `by`.
        let mut labels_until = None;
        let mut grouping = false;
        while let Some(c) = rest.chars().next() {
            let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
            let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            match c {
                '"' => rest = rest[1..].split_once('"').map_or("", |(_, after)| after),
                '[' => rest = rest.split_once(']').map_or("", |(_, after)| after),
                _ if is_word(c) => {
                    let (word, after) = rest.split_at(length);
                    rest = after;
                    if c.is_ascii_digit() {
                    } else if labels_until.is_some() {
                        named.labels.insert(word.to_owned());
                    } else if ["by", "without", "on", "ignoring"].contains(&word) {
                        grouping = true;
                    } else if !["and", "or", "unless"].contains(&word)
                        && !after.starts_with('(')
                        && !is_aggregation(word)
                    {
                        named.metrics.insert(word.to_owned());
                    }
                }
                _ => {
                    labels_until = match c {
                        '{' => Some('}'),
                        '(' if grouping => Some(')'),
                        c if labels_until == Some(c) => None,
                        _ => labels_until,
                    };
                    grouping = grouping && c == ' ';
                    rest = &rest[c.len_utf8()..];
                }
            }
        }
        named
    }
}

/// Only aggregations may have a clause between their name and their argument.
fn is_aggregation(word: &str) -> bool {
    ["sum", "max", "min", "avg", "count", "topk"].contains(&word)
}

/// Exported metrics with their labels.
type Exported = BTreeMap<String, BTreeSet<String>>;

fn parse_page(page: &str, into: &mut Exported) {
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let named = line.split([' ', '{']).next().unwrap().to_owned();
        let labels = line
            .split_once('{')
            .and_then(|(_, rest)| rest.rsplit_once("} "))
            .map_or("", |(labels, _)| labels);
        let names =
            labels.split("\",").filter_map(|pair| pair.split_once("=\"")).map(|(name, _)| name.to_owned());
        into.entry(named).or_default().extend(names);
    }
}

/// All metrics of the three services after an order and a 404.
async fn exported_metrics() -> Exported {
    let system = System::start().await.unwrap();
    let client = Client::new(system.gateway_url());
    assert_eq!(client.post(order_body(123, json!(0.12))).await.status, 201);
    assert_eq!(client.get("/nothing").await.status, 404);
    let mut all = Exported::from([(UP.to_owned(), BTreeSet::new())]);
    // Exported with TLS alone; `protection::public_tls` covers it.
    let labels = ["use", "role", "file", "position"].map(str::to_owned);
    all.insert("tls_certificate_not_after_seconds".to_owned(), labels.into());
    for admin in [system.gateway_admin(), system.order_admin(), system.payment_admin()] {
        parse_page(&scrape::page(admin).await, &mut all);
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn dashboard_and_alert_queries_match_exported_metrics() {
    let exported = exported_metrics().await;
    for query in dashboard().into_iter().chain(alerts()) {
        let named = Query::parse(&query);
        assert!(!named.metrics.is_empty(), "{query}: names no metric");
        let mut labels: BTreeSet<&str> = ADDED.into();
        for metric in &named.metrics {
            let its = exported.get(metric).unwrap_or_else(|| panic!("{query}: no service exports {metric}"));
            labels.extend(its.iter().map(String::as_str));
        }
        for label in &named.labels {
            assert!(labels.contains(label.as_str()), "{query}: {:?} has no label {label}", named.metrics);
        }
    }
}

#[test]
fn promql_metrics_and_labels_are_parsed() {
    let named = Query::parse(
        r#"sum by (le, job) (rate(a_bucket{status=~"5..", x!="y{"}[5m])) / max(b:c) > 0.05 and up == 1"#,
    );
    let set = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(named.metrics, set(&["a_bucket", "b:c", "up"]));
    assert_eq!(named.labels, set(&["job", "le", "status", "x"]));
}

#[test]
fn runbook_metrics_that_must_stay_0_have_alerts() {
    let runbook = fs::read_to_string(observability().join("../../docs/operate/runbook.md")).unwrap();
    let (_, section) = runbook.split_once("## Must stay 0").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let metrics: Vec<&str> =
        section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    assert!(metrics.len() >= 2, "{metrics:?}");
    let alerts = alerts();
    for metric in metrics {
        assert!(
            alerts.iter().any(|alert| Query::parse(alert).metrics.contains(metric)),
            "{metric} has no alert"
        );
    }
}
