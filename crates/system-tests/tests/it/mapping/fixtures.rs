//! Constructors for google.rpc details.

use prost::Message;
use prost_types::{Any, Duration};
use tonic_types::pb::{self, bad_request::FieldViolation};

pub(super) fn any(name: &str, detail: &impl Message) -> Any {
    Any { type_url: format!("type.googleapis.com/{name}"), value: detail.encode_to_vec() }
}

/// A detail of a known type whose bytes do not decode.
pub(super) fn malformed(name: &str) -> Any {
    Any { type_url: format!("type.googleapis.com/{name}"), value: vec![0x0a, 0xff] }
}

/// Each violation as field, description and reason.
pub(super) fn bad_request(violations: &[(&str, &str, &str)]) -> Any {
    let violation = |&(field, description, reason): &(&str, &str, &str)| FieldViolation {
        field: field.to_owned(),
        description: description.to_owned(),
        reason: reason.to_owned(),
        localized_message: None,
    };
    let field_violations = violations.iter().map(violation).collect();
    any("google.rpc.BadRequest", &pb::BadRequest { field_violations })
}

pub(super) fn error_info(domain: &str, reason: &str, metadata: &[(&str, &str)]) -> Any {
    let metadata = metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    any(
        "google.rpc.ErrorInfo",
        &pb::ErrorInfo { reason: reason.to_owned(), domain: domain.to_owned(), metadata },
    )
}

pub(super) fn retry_info(seconds: i64, nanos: i32) -> Any {
    any("google.rpc.RetryInfo", &pb::RetryInfo { retry_delay: Some(Duration { seconds, nanos }) })
}

pub(super) fn quota_failure(subject: &str, api_service: &str) -> Any {
    let violation = pb::quota_failure::Violation {
        subject: subject.to_owned(),
        api_service: api_service.to_owned(),
        description: "too many orders".to_owned(),
        quota_metric: "orders".to_owned(),
        quota_id: "orders-per-minute".to_owned(),
        quota_dimensions: [("region".to_owned(), "eu".to_owned())].into(),
        quota_value: 10,
        future_quota_value: Some(20),
    };
    any("google.rpc.QuotaFailure", &pb::QuotaFailure { violations: vec![violation] })
}

pub(super) fn precondition_failure() -> Any {
    let violation = pb::precondition_failure::Violation {
        r#type: "TOS".to_owned(),
        subject: "shop.example".to_owned(),
        description: "terms not accepted".to_owned(),
    };
    any("google.rpc.PreconditionFailure", &pb::PreconditionFailure { violations: vec![violation] })
}

pub(super) fn resource_info(owner: &str) -> Any {
    let detail = pb::ResourceInfo {
        resource_type: "order".to_owned(),
        resource_name: "orders/7".to_owned(),
        owner: owner.to_owned(),
        description: "is locked".to_owned(),
    };
    any("google.rpc.ResourceInfo", &detail)
}

/// Each link as title and address.
pub(super) fn help(links: &[(&str, &str)]) -> Any {
    let link =
        |&(title, url): &(&str, &str)| pb::help::Link { description: title.to_owned(), url: url.to_owned() };
    any("google.rpc.Help", &pb::Help { links: links.iter().map(link).collect() })
}

pub(super) fn localized(locale: &str, message: &str) -> Any {
    let detail = pb::LocalizedMessage { locale: locale.to_owned(), message: message.to_owned() };
    any("google.rpc.LocalizedMessage", &detail)
}

pub(super) fn request_info(serving_data: &str) -> Any {
    let detail =
        pb::RequestInfo { request_id: "upstream-1".to_owned(), serving_data: serving_data.to_owned() };
    any("google.rpc.RequestInfo", &detail)
}

pub(super) fn debug_info(text: &str) -> Any {
    let detail = pb::DebugInfo { stack_entries: vec![text.to_owned()], detail: text.to_owned() };
    any("google.rpc.DebugInfo", &detail)
}
