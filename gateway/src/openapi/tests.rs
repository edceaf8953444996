//! The document's examples are what its schemas say.

use serde_json::{Value, json};

use super::*;

fn value() -> Value {
    serde_json::from_str(&document_json()).unwrap()
}

#[test]
fn the_document_is_of_version_3_1() {
    assert!(value()["openapi"].as_str().unwrap().starts_with("3.1."));
}

/// Every object of the document that has examples beside a schema: media types and schemas with their examples.
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
            let faults: Vec<String> = validator.iter_errors(example).map(|error| error.to_string()).collect();
            assert!(faults.is_empty(), "{example:#}: {faults:?}");
            count += 1;
        }
    }
    assert!(count > 30, "{count} examples");
}

#[test]
fn a_schema_is_closed_to_members_that_it_does_not_name() {
    let document = value();
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        assert_eq!(schema["additionalProperties"], json!(false), "{name}");
    }
}

#[test]
fn every_problem_type_has_an_example_for_each_of_its_statuses() {
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
