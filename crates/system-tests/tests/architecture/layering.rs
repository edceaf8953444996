//! Layers inside a crate: the cores name no adapter, wire or database, and no code of the gateway reaches
//! Payment.

use super::{File, assert_none, files, planted, source::paths};

/// Crates of wire and database; a longer name with `_` (`tonic_types`) counts as well.
const EDGES: [&str; 8] = ["tonic", "prost", "sqlx", "axum", "serde", "proto", "service_kit", "adapters"];
const CORES: [&str; 7] = [
    "crates/money/src/",
    "order/src/domain",
    "order/src/ports",
    "order/src/application",
    "payment/src/domain",
    "payment/src/ports",
    "payment/src/application",
];

fn core_names_an_edge(files: &[File]) -> Vec<String> {
    let is_edge = |word: &str| {
        EDGES
            .iter()
            .any(|edge| word.strip_prefix(edge).is_some_and(|rest| rest.is_empty() || rest.starts_with('_')))
    };
    let mut violations = Vec::new();
    for file in files.iter().filter(|file| CORES.iter().any(|core| file.path.starts_with(core))) {
        for path in paths(&file.text) {
            if path.segments.iter().any(|word| is_edge(word)) {
                violations.push(format!("{}:{}: {}", file.path, path.line, path.segments.join("::")));
            }
        }
    }
    violations
}

fn gateway_names_payment(files: &[File]) -> Vec<String> {
    let mut violations = Vec::new();
    for file in files.iter().filter(|file| file.path.starts_with("gateway/")) {
        for path in paths(&file.text) {
            let segments: Vec<&str> = path.segments.iter().map(String::as_str).collect();
            let stub =
                |word: &&str| ["payment_client", "PaymentClient", "PAYMENT_DESCRIPTOR_SET"].contains(word);
            if segments.starts_with(&["proto", "payment"]) || segments.iter().any(stub) {
                violations.push(format!("{}:{}: {}", file.path, path.line, path.segments.join("::")));
            }
        }
    }
    violations
}

#[test]
fn cores_name_neither_wire_nor_database_nor_adapters() {
    let sources = files(".rs");
    for core in CORES {
        assert!(sources.iter().any(|file| file.path.starts_with(core)), "{core} does not exist");
    }
    assert_none(&core_names_an_edge(&sources));
    for text in [
        "use sqlx::Any;",
        "use tonic_types::Help;",
        "#[derive(serde::Serialize)] struct S;",
        "crate::adapters::f();",
    ] {
        assert_eq!(core_names_an_edge(&planted("order/src/domain/order.rs", text)).len(), 1, "{text}");
    }
    assert_none(&core_names_an_edge(&planted("order/src/adapters/db.rs", "use sqlx::Any;")));
}

#[test]
fn gateway_never_names_the_stub_of_payment() {
    assert_none(&gateway_names_payment(&files(".rs")));
    for text in
        ["use proto::{order::OrderItem, payment::GetPaymentRequest};", "stub::PaymentClient::new(channel);"]
    {
        assert_eq!(gateway_names_payment(&planted("gateway/src/orders.rs", text)).len(), 1, "{text}");
    }
    assert_none(&gateway_names_payment(&planted(
        "gateway/src/orders.rs",
        "let payment = 1; // proto::payment",
    )));
}
