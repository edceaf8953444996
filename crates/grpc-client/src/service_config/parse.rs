//! Parses the JSON form of a service config, and reports all errors at once.

use std::{collections::HashMap, time::Duration};

use serde_json::{Map, Value};
use tonic::Code;

use crate::code::CODE_NAMES;

use super::{ATTEMPTS_MAX, Backoff, MethodConfig, Policy, RetryPolicy, ServiceConfig, Throttling};

/// Seconds of the longest `google.protobuf.Duration`.
const DURATION_SECONDS_MAX: f64 = 315_576_000_000.0;
/// The largest `choiceCount`; larger values are reduced to it (gRFC A48).
const CHOICES_MAX: u64 = 10;
/// The default `choiceCount` (gRFC A48).
const CHOICES_DEFAULT: usize = 2;

pub(super) fn service_config(text: &str) -> Result<ServiceConfig, Vec<String>> {
    let value: Value = serde_json::from_str(text).map_err(|error| vec![format!("not JSON: {error}")])?;
    let mut errors = ParseErrors::default();
    let config = value.as_object().map(|object| parse(object, &mut errors));
    match config {
        None => Err(vec!["not a JSON object".to_owned()]),
        Some(_) if !errors.0.is_empty() => Err(errors.0),
        Some(config) => Ok(config),
    }
}

/// Errors, each with the JSON path of the field.
#[derive(Default)]
struct ParseErrors(Vec<String>);

impl ParseErrors {
    fn add(&mut self, path: &str, error: &str) {
        self.0.push(format!("{path}: {error}"));
    }

    /// The field `name` of `object`, converted by `convert`; null counts as absent.
    fn optional<'a, T>(
        &mut self,
        object: &'a Map<String, Value>,
        (path, name): (&str, &str),
        expected: &str,
        convert: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Option<T> {
        let value = object.get(name).filter(|value| !value.is_null())?;
        let converted = convert(value);
        if converted.is_none() {
            self.add(&format!("{path}{name}"), &format!("is not {expected}"));
        }
        converted
    }

    /// As [`optional`](Self::optional); absence is an error.
    fn required<'a, T>(
        &mut self,
        object: &'a Map<String, Value>,
        (path, name): (&str, &str),
        expected: &str,
        convert: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Option<T> {
        if object.get(name).is_none_or(Value::is_null) {
            self.add(&format!("{path}{name}"), &format!("is missing: {expected}"));
        }
        self.optional(object, (path, name), expected, convert)
    }
}

fn parse(object: &Map<String, Value>, errors: &mut ParseErrors) -> ServiceConfig {
    let health = errors.optional(object, ("", "healthCheckConfig"), "an object", Value::as_object);
    let health_service = health.and_then(|health| {
        let field = ("healthCheckConfig.", "serviceName");
        errors.optional(health, field, "a string", |name| name.as_str().map(str::to_owned))
    });
    ServiceConfig {
        policy: policy(object, errors).unwrap_or_default(),
        methods: methods(object, errors),
        throttling: throttling(object, errors),
        health_service: health_service.unwrap_or_default(),
    }
}

fn policy(object: &Map<String, Value>, errors: &mut ParseErrors) -> Option<Policy> {
    const FIELD: &str = "loadBalancingConfig";
    let Some(listed) = errors.optional(object, ("", FIELD), "a list", Value::as_array) else {
        let text = |value: &Value| value.as_str().map(str::to_lowercase);
        let name = errors.optional(object, ("", "loadBalancingPolicy"), "a string", text)?;
        let policy = policy_named(&name, &Map::new(), errors);
        if policy.is_none() {
            errors.add("loadBalancingPolicy", "is not a supported policy");
        }
        return policy;
    };
    let mut chosen = None;
    for (index, entry) in listed.iter().enumerate() {
        let member = entry.as_object().filter(|entry| entry.len() == 1).and_then(|entry| entry.iter().next());
        let Some((name, config)) = member else {
            errors.add(&format!("{FIELD}[{index}]"), "is not an object with one field, the policy");
            continue;
        };
        let empty = Map::new();
        if chosen.is_none() {
            chosen = policy_named(name, config.as_object().unwrap_or(&empty), errors);
        }
    }
    if chosen.is_none() && errors.0.is_empty() {
        errors.add(
            FIELD,
            "has no supported policy: pick_first, round_robin, least_request_experimental, least_loaded",
        );
    }
    chosen
}

fn policy_named(name: &str, config: &Map<String, Value>, errors: &mut ParseErrors) -> Option<Policy> {
    let path = format!("loadBalancingConfig.{name}.");
    match name {
        "pick_first" => {
            let shuffle =
                errors.optional(config, (&path, "shuffleAddressList"), "true or false", Value::as_bool);
            Some(Policy::PickFirst { shuffle: shuffle.unwrap_or(false) })
        }
        "round_robin" => Some(Policy::RoundRobin),
        "least_request_experimental" | "least_loaded" => {
            let choices = errors.optional(config, (&path, "choiceCount"), "a whole number from 2", |value| {
                let count = value.as_u64().filter(|count| *count >= 2)?;
                usize::try_from(count.min(CHOICES_MAX)).ok()
            });
            let uses_reports = name == "least_loaded";
            Some(Policy::LeastLoaded { choices: choices.unwrap_or(CHOICES_DEFAULT), uses_reports })
        }
        _ => None,
    }
}

fn throttling(object: &Map<String, Value>, errors: &mut ParseErrors) -> Option<Throttling> {
    let config = errors.optional(object, ("", "retryThrottling"), "an object", Value::as_object)?;
    // gRFC A6: decimals after the third are ignored.
    let thousandths = |value: f64| Duration::try_from_secs_f64(value).ok()?.as_millis().try_into().ok();
    let max = errors.required(
        config,
        ("retryThrottling.", "maxTokens"),
        "a number above 0, at most 1000",
        |value| value.as_f64().filter(|max| *max > 0.0 && *max <= 1000.0).and_then(thousandths),
    );
    let ratio = errors.required(config, ("retryThrottling.", "tokenRatio"), "a number from 0.001", |value| {
        value.as_f64().filter(|ratio| *ratio >= 0.001 && *ratio <= 1000.0).and_then(thousandths)
    });
    Some(Throttling { tokens_max: max?, token_ratio: ratio? })
}

fn methods(object: &Map<String, Value>, errors: &mut ParseErrors) -> HashMap<String, MethodConfig> {
    let mut methods = HashMap::new();
    let listed = errors.optional(object, ("", "methodConfig"), "a list", Value::as_array);
    for (index, entry) in listed.into_iter().flatten().enumerate() {
        let path = format!("methodConfig[{index}].");
        let Some(entry) = entry.as_object() else {
            errors.add(&path, "is not an object");
            continue;
        };
        let config = method(entry, &path, errors);
        let names = errors.optional(entry, (&path, "name"), "a list", Value::as_array);
        for name in names.into_iter().flatten() {
            match method_path(name) {
                Err(error) => errors.add(&format!("{path}name"), error),
                Ok(key) => {
                    if methods.insert(key, config.clone()).is_some() {
                        errors.add(&format!("{path}name"), "is listed twice");
                    }
                }
            }
        }
    }
    methods
}

/// The key of [`ServiceConfig::methods`]: `/service/method`, `/service/` for a whole service, empty for all
/// services.
fn method_path(name: &Value) -> Result<String, &'static str> {
    let object = name.as_object().ok_or("is not an object")?;
    let text = |field| match object.get(field) {
        None | Some(Value::Null) => Ok(""),
        Some(value) => value.as_str().ok_or("has a field that is not a string"),
    };
    match (text("service")?, text("method")?) {
        ("", "") => Ok(String::new()),
        ("", _) => Err("has a method and no service"),
        (service, method) => Ok(format!("/{service}/{method}")),
    }
}

fn method(entry: &Map<String, Value>, path: &str, errors: &mut ParseErrors) -> MethodConfig {
    let bytes = |value: &Value| {
        let number = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
        usize::try_from(number).ok()
    };
    MethodConfig {
        timeout: errors.optional(entry, (path, "timeout"), "a duration such as \"1.5s\"", duration),
        wait_for_ready: errors
            .optional(entry, (path, "waitForReady"), "true or false", Value::as_bool)
            .unwrap_or(false),
        request_bytes_max: errors.optional(entry, (path, "maxRequestMessageBytes"), "a whole number", bytes),
        response_bytes_max: errors.optional(
            entry,
            (path, "maxResponseMessageBytes"),
            "a whole number",
            bytes,
        ),
        retry: errors
            .optional(entry, (path, "retryPolicy"), "an object", Value::as_object)
            .and_then(|policy| retry(policy, &format!("{path}retryPolicy."), errors)),
    }
}

fn retry(policy: &Map<String, Value>, path: &str, errors: &mut ParseErrors) -> Option<RetryPolicy> {
    const WAIT: &str = "a duration above 0 such as \"0.1s\"";
    let above_zero = |value: &Value| duration(value).filter(|duration| !duration.is_zero());
    let attempts = errors.required(policy, (path, "maxAttempts"), "a whole number from 2", |value| {
        let attempts = value.as_u64().filter(|attempts| *attempts >= 2)?;
        Some(u32::try_from(attempts).unwrap_or(ATTEMPTS_MAX).min(ATTEMPTS_MAX))
    });
    let initial = errors.required(policy, (path, "initialBackoff"), WAIT, above_zero);
    let max = errors.required(policy, (path, "maxBackoff"), WAIT, above_zero);
    let multiplier =
        errors.required(policy, (path, "backoffMultiplier"), "a number above 0, at most 1000", |value| {
            value.as_f64().filter(|multiplier| *multiplier > 0.0 && *multiplier <= 1000.0)
        });
    let codes =
        errors.required(policy, (path, "retryableStatusCodes"), "a list of codes, not empty", |value| {
            let codes = value.as_array().filter(|codes| !codes.is_empty())?;
            codes.iter().map(code).collect::<Option<Vec<_>>>()
        });
    let attempt_timeout = errors.optional(policy, (path, "perAttemptRecvTimeout"), WAIT, above_zero);
    Some(RetryPolicy {
        attempts_max: attempts?,
        backoff: Backoff { initial: initial?, max: max?, multiplier: multiplier? },
        codes: codes?,
        attempt_timeout,
    })
}

/// A code, by its name or number.
fn code(value: &Value) -> Option<Code> {
    let number = match value {
        Value::String(name) => CODE_NAMES.iter().position(|known| known.eq_ignore_ascii_case(name))?,
        other => usize::try_from(other.as_u64()?).ok().filter(|number| *number < CODE_NAMES.len())?,
    };
    i32::try_from(number).ok().map(Code::from)
}

/// `google.protobuf.Duration` in its JSON form: seconds with up to nine decimals, followed by `s`.
fn duration(value: &Value) -> Option<Duration> {
    let digits = value.as_str()?.strip_suffix('s')?;
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(fraction) || fraction.len() > 9 {
        return None;
    }
    let seconds: u64 = whole
        .parse()
        .ok()
        .filter(|seconds| Duration::from_secs(*seconds).as_secs_f64() <= DURATION_SECONDS_MAX)?;
    let nanos: u32 = format!("{fraction:0<9}").parse().ok()?;
    Some(Duration::new(seconds, nanos))
}
