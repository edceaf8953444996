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
fn requests_exclude_unknown_members_and_responses_admit_them() {
    let document = value();
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        let is_response = !name.contains("Draft");
        assert_eq!(schema["additionalProperties"], json!(is_response), "{name}");
    }
}

/// Calls `visit` with each object in `value` and its path.
fn visit_objects(value: &Value, path: &str, visit: &mut impl FnMut(&str, &Map<String, Value>)) {
    match value {
        Value::Object(members) => {
            visit(path, members);
            members.iter().for_each(|(name, member)| visit_objects(member, &format!("{path}/{name}"), visit));
        }
        Value::Array(elements) => elements.iter().for_each(|element| visit_objects(element, path, visit)),
        _ => {}
    }
}

#[test]
fn every_number_has_a_format() {
    let mut count = 0;
    visit_objects(&value(), "", &mut |path, schema| {
        let formats: &[&str] = match schema.get("type").and_then(Value::as_str) {
            Some("number") => &["double"],
            Some("integer") => &["int32", "int64"],
            _ => return,
        };
        assert!(schema["format"].as_str().is_some_and(|format| formats.contains(&format)), "{path}");
        count += 1;
    });
    assert!(count > 10, "{count} numbers");
}

#[test]
fn every_amount_of_a_response_has_its_digits_as_text() {
    let mut count = 0;
    visit_objects(&value()["components"]["schemas"], "", &mut |path, members| {
        for (name, _) in members.iter().filter(|(_, schema)| schema["format"] == "double") {
            assert_eq!(members[&format!("{name}_text")]["type"], "string", "{path}");
            count += 1;
        }
    });
    assert_eq!(count, 2);
}

/// Generators derive names by these words: constructors, accessors, types of requests and responses.
const DERIVED: [&str; 22] = [
    "new", "get", "set", "has", "is", "create", "make", "nullable", "optional", "api", "request", "response",
    "params", "body", "data", "error", "result", "input", "output", "builder", "options", "list",
];

#[test]
fn no_two_names_are_equal_or_derived_from_one_another() {
    let document = value();
    let components = document["components"].as_object().unwrap();
    let mut names: Vec<String> =
        components.values().flat_map(|kind| kind.as_object().unwrap().keys().cloned()).collect();
    visit_objects(&document["paths"], "", &mut |_, operation| {
        // Links name operations too.
        let id = operation.get("operationId").filter(|_| operation.contains_key("responses"));
        names.extend(id.map(|id| id.as_str().unwrap().to_owned()));
    });
    // Naming conventions differ in case and in separators alone.
    let mut plain: Vec<String> =
        names.iter().map(|name| name.replace(['_', '-'], "").to_lowercase()).collect();
    plain.sort_unstable();
    assert!(plain.is_sorted_by(|a, b| a < b), "two names are equal: {plain:?}");
    for name in &plain {
        for word in DERIVED {
            for derived in [format!("{word}{name}"), format!("{name}{word}"), format!("{name}s")] {
                assert!(!plain.contains(&derived), "{name} and {derived}");
            }
        }
    }
}

#[test]
fn every_operation_parameter_and_member_is_described() {
    let mut count = 0;
    visit_objects(&value(), "", &mut |path, members| {
        let is_operation = members.contains_key("operationId") && members.contains_key("responses");
        let is_parameter = members.contains_key("in") && members.contains_key("schema");
        let is_member = path.rsplit('/').nth(1) == Some("properties");
        let described = |name: &str| members.get(name).and_then(Value::as_str).is_some_and(|t| !t.is_empty());
        if is_operation || is_parameter || is_member {
            assert!(described("description") || members.contains_key("$ref"), "{path}");
            assert!(!is_operation || described("summary"), "{path}");
            count += 1;
        }
    });
    assert!(count > 50, "{count} described");
}

#[test]
fn every_504_has_a_delay_and_if_match_is_documented_with_its_412() {
    let document = value();
    let response = &document["components"]["responses"]["Problem504"];
    assert!(!response["headers"]["Retry-After"].is_null());
    for (slug, example) in response["content"]["application/problem+json"]["examples"].as_object().unwrap() {
        assert!(example["value"]["retry_after_ms"].as_u64().is_some_and(|ms| ms > 0), "{slug}");
    }
    for (path, method) in
        [("/orders", "post"), ("/orders", "get"), ("/orders/{order_id}", "get"), ("/openapi.json", "get")]
    {
        let operation = &document["paths"][path][method];
        let parameter = json!({ "$ref": "#/components/parameters/IfMatchParameter" });
        assert!(operation["parameters"].as_array().unwrap().contains(&parameter), "{method} {path}");
        assert!(!operation["responses"]["412"].is_null(), "{method} {path}");
    }
}

#[test]
fn addresses_hold_below_a_path_prefix() {
    let document = value();
    assert_eq!(document["servers"][0]["url"], ".");
    visit_objects(&document, "", &mut |path, members| {
        let text = members.get("description").and_then(Value::as_str).unwrap_or_default();
        assert!(!text.contains("](/"), "{path}: {text}");
    });
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
    let currency = &value()["components"]["schemas"]["OrderDraft"]["properties"]["currency"];
    assert!(currency.get("default").is_none() && currency["description"].as_str().unwrap().contains("USD"));
}
