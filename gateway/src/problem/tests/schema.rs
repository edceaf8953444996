//! The schema of a problem matches the examples.

use serde_json::Value;
use utoipa::PartialSchema;

use crate::problem::{Body, example, registry::TYPES};

#[test]
fn examples_have_every_required_member_and_no_unknown_one() {
    let schema = serde_json::to_value(Body::schema()).unwrap();
    let known = schema["properties"].as_object().unwrap();
    let required: Vec<&str> =
        schema["required"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    for kind in TYPES {
        for status in kind.statuses {
            let example_body = serde_json::to_value(example(kind, status.http)).unwrap();
            let members = example_body.as_object().unwrap();
            assert!(required.iter().all(|name| members.contains_key(*name)), "{example_body:#}");
            assert!(members.keys().all(|name| known.contains_key(name)), "{example_body:#}");
        }
    }
    assert_eq!((required.len(), known.len()), (9, 21));
}

#[test]
fn members_are_absent_rather_than_null() {
    assert!(!serde_json::to_string(&Body::schema()).unwrap().contains("null"));
}
