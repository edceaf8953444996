//! The schema of a problem says what problems look like.

use serde_json::Value;
use utoipa::PartialSchema;

use crate::problem::{Body, example, registry::TYPES};

#[test]
fn the_examples_have_every_required_member_and_no_unknown_one() {
    let schema = serde_json::to_value(Body::schema()).unwrap();
    let known = schema["properties"].as_object().unwrap();
    let required: Vec<&str> =
        schema["required"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    for kind in TYPES {
        for answer in kind.answers {
            let shown = serde_json::to_value(example(kind, answer.status)).unwrap();
            let members = shown.as_object().unwrap();
            assert!(required.iter().all(|name| members.contains_key(*name)), "{shown:#}");
            assert!(members.keys().all(|name| known.contains_key(name)), "{shown:#}");
        }
    }
    assert_eq!((required.len(), known.len()), (9, 20));
}

#[test]
fn a_member_is_absent_rather_than_null() {
    assert!(!serde_json::to_string(&Body::schema()).unwrap().contains("null"));
}
