//! Tests of the document: its examples match its schemas.

use serde_json::{Value, json};

use super::*;

fn value() -> Value {
    serde_json::from_str(&document_json()).unwrap()
}

#[test]
fn the_document_has_version_3_1() {
    assert!(value()["openapi"].as_str().unwrap().starts_with("3.1."));
}

/// Collects every schema of the document with its examples: of media types, parameters and headers.
fn with_examples<'a>(value: &'a Value, found: &mut Vec<(&'a Value, Vec<&'a Value>)>) {
    if let Some(schema) = value.get("schema") {
        let many = value.get("examples").and_then(Value::as_object).into_iter().flat_map(|all| all.values());
        let examples: Vec<&Value> =
            value.get("example").into_iter().chain(many.map(|e| &e["value"])).collect();
        found.push((schema, examples));
    }
    match value {
        Value::Object(members) => members.values().for_each(|member| with_examples(member, found)),
        Value::Array(elements) => elements.iter().for_each(|element| with_examples(element, found)),
        _ => {}
    }
}

#[test]
fn every_example_is_valid() {
    let document = value();
    let mut found = Vec::new();
    with_examples(&document, &mut found);
    let mut count = 0;
    for (schema, examples) in found {
        let mut root = schema.clone();
        root["components"] = document["components"].clone();
        let validator =
            jsonschema::draft202012::options().should_validate_formats(true).build(&root).unwrap();
        for example in examples {
            let errors: Vec<String> = validator.iter_errors(example).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{example:#}: {errors:?}");
            count += 1;
        }
    }
    assert!(count > 30, "{count} examples");
}

#[test]
fn every_schema_excludes_unknown_members() {
    let document = value();
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        assert_eq!(schema["additionalProperties"], json!(false), "{name}");
    }
}

#[test]
fn every_problem_type_has_an_example_for_each_status() {
    let document = value();
    for kind in crate::problem::registry::TYPES {
        for status in kind.statuses {
            let (number, status) = (status.http.as_u16(), status.http.as_str());
            let response = &document["components"]["responses"][format!("Problem{status}")];
            let example = &response["content"]["application/problem+json"]["examples"][kind.slug]["value"];
            assert_eq!(example["status"], json!(number), "{} {status}", kind.slug);
            assert!(!document["paths"]["/orders"]["post"]["responses"][status].is_null(), "{status}");
        }
    }
}

#[test]
fn placing_an_order_and_the_most_common_examples_come_first() {
    let document = value();
    let names = |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
    assert_eq!(names(&document["paths"])[0], "/orders");
    assert_eq!(names(&document["paths"]["/orders"]), ["post", "get"]);
    for (status, slug) in [
        (400, "invalid-argument"),
        (409, "idempotency-in-progress"),
        (429, "not-started"),
        (500, "internal"),
        (503, "not-charged"),
        (504, "outcome-unknown"),
    ] {
        let response = &document["components"]["responses"][format!("Problem{status}")];
        let examples = &response["content"]["application/problem+json"]["examples"];
        assert_eq!(names(examples)[0], slug, "{status}");
        let problem = &examples[slug]["value"];
        assert_eq!(names(problem)[..3], ["type", "title", "status"], "{status}");
    }
    assert_eq!(names(&super::examples::paid_order())[..3], ["order_id", "user_id", "status"]);
}

#[test]
fn the_currency_of_a_new_order_has_no_default() {
    // Generators of TypeScript types make a member with a default required.
    let currency = &value()["components"]["schemas"]["NewOrder"]["properties"]["currency"];
    assert!(currency.get("default").is_none() && currency["description"].as_str().unwrap().contains("USD"));
}
