//! Reading the JSON form of a service config, so that every fault of it is named at once.

use std::{collections::HashMap, time::Duration};

use serde_json::{Map, Value};
use tonic::Code;

use super::{ATTEMPTS_MAX, Backoff, MethodConfig, Policy, RetryPolicy, ServiceConfig, Throttling};

/// Seconds of the longest duration that protobuf knows.
const DURATION_SECONDS_MAX: f64 = 315_576_000_000.0;
/// Of so many endpoints at most is the least loaded one chosen (gRFC A48).
const CHOICES_MAX: u64 = 10;
const CHOICES_DEFAULT: usize = 2;
const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// A code's name, as gRPC writes it.
pub fn code_name(code: Code) -> &'static str {
    usize::try_from(i32::from(code)).ok().and_then(|number| CODES.get(number)).copied().unwrap_or("UNKNOWN")
}

pub(super) fn service_config(text: &str) -> Result<ServiceConfig, Vec<String>> {
    let value: Value = serde_json::from_str(text).map_err(|error| vec![format!("not JSON: {error}")])?;
    let mut faults = Faults::default();
    let config = value.as_object().map(|object| read(object, &mut faults));
    match config {
        None => Err(vec!["not a JSON object".to_owned()]),
        Some(_) if !faults.0.is_empty() => Err(faults.0),
        Some(config) => Ok(config),
    }
}

/// What is wrong, each with the place where it stands.
#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn add(&mut self, place: &str, why: &str) {
        self.0.push(format!("{place}: {why}"));
    }

    /// The member `name` of `object`, as `read` makes of it; absent and null are the same.
    fn member<'a, T>(
        &mut self,
        object: &'a Map<String, Value>,
        (place, name): (&str, &str),
        wanted: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Option<T> {
        let value = object.get(name).filter(|value| !value.is_null())?;
        let made = read(value);
        if made.is_none() {
            self.add(&format!("{place}{name}"), &format!("is not {wanted}"));
        }
        made
    }

    /// As [`member`](Self::member), of one that must be there.
    fn needed<'a, T>(
        &mut self,
        object: &'a Map<String, Value>,
        (place, name): (&str, &str),
        wanted: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Option<T> {
        if object.get(name).is_none_or(Value::is_null) {
            self.add(&format!("{place}{name}"), &format!("is missing: {wanted}"));
        }
        self.member(object, (place, name), wanted, read)
    }
}

fn read(object: &Map<String, Value>, faults: &mut Faults) -> ServiceConfig {
    let health = faults.member(object, ("", "healthCheckConfig"), "an object", Value::as_object);
    let health_service = health.and_then(|health| {
        let place = ("healthCheckConfig.", "serviceName");
        faults.member(health, place, "a text", |name| name.as_str().map(str::to_owned))
    });
    ServiceConfig {
        policy: policy(object, faults).unwrap_or_default(),
        methods: methods(object, faults),
        throttling: throttling(object, faults),
        health_service: health_service.unwrap_or_default(),
    }
}

fn policy(object: &Map<String, Value>, faults: &mut Faults) -> Option<Policy> {
    const PLACE: &str = "loadBalancingConfig";
    let Some(listed) = faults.member(object, ("", PLACE), "a list", Value::as_array) else {
        let text = |value: &Value| value.as_str().map(str::to_lowercase);
        let name = faults.member(object, ("", "loadBalancingPolicy"), "a text", text)?;
        let known = policy_named(&name, &Map::new(), faults);
        if known.is_none() {
            faults.add("loadBalancingPolicy", "is none that is known here");
        }
        return known;
    };
    let mut chosen = None;
    for (index, entry) in listed.iter().enumerate() {
        let one = entry.as_object().filter(|entry| entry.len() == 1).and_then(|entry| entry.iter().next());
        let Some((name, config)) = one else {
            faults.add(&format!("{PLACE}[{index}]"), "is not an object with one member, the policy");
            continue;
        };
        let empty = Map::new();
        if chosen.is_none() {
            chosen = policy_named(name, config.as_object().unwrap_or(&empty), faults);
        }
    }
    if chosen.is_none() && faults.0.is_empty() {
        faults.add(PLACE, "names no policy that is known here: pick_first, round_robin, least_request_experimental, least_loaded");
    }
    chosen
}

fn policy_named(name: &str, config: &Map<String, Value>, faults: &mut Faults) -> Option<Policy> {
    let place = format!("loadBalancingConfig.{name}.");
    match name {
        "pick_first" => {
            let shuffle =
                faults.member(config, (&place, "shuffleAddressList"), "true or false", Value::as_bool);
            Some(Policy::PickFirst { shuffle: shuffle.unwrap_or(false) })
        }
        "round_robin" => Some(Policy::RoundRobin),
        "least_request_experimental" | "least_loaded" => {
            let choices = faults.member(config, (&place, "choiceCount"), "a whole number from 2", |value| {
                let count = value.as_u64().filter(|count| *count >= 2)?;
                usize::try_from(count.min(CHOICES_MAX)).ok()
            });
            let reports = name == "least_loaded";
            Some(Policy::LeastLoaded { choices: choices.unwrap_or(CHOICES_DEFAULT), reports })
        }
        _ => None,
    }
}

fn throttling(object: &Map<String, Value>, faults: &mut Faults) -> Option<Throttling> {
    let config = faults.member(object, ("", "retryThrottling"), "an object", Value::as_object)?;
    // gRFC A6: what is finer than three decimals is ignored.
    let thousandths = |value: f64| Duration::try_from_secs_f64(value).ok()?.as_millis().try_into().ok();
    let max =
        faults.needed(config, ("retryThrottling.", "maxTokens"), "a number above 0, at most 1000", |value| {
            value.as_f64().filter(|max| *max > 0.0 && *max <= 1000.0).and_then(thousandths)
        });
    let ratio = faults.needed(config, ("retryThrottling.", "tokenRatio"), "a number from 0.001", |value| {
        value.as_f64().filter(|ratio| *ratio >= 0.001 && *ratio <= 1000.0).and_then(thousandths)
    });
    Some(Throttling { tokens_max: max?, token_ratio: ratio? })
}

fn methods(object: &Map<String, Value>, faults: &mut Faults) -> HashMap<String, MethodConfig> {
    let mut methods = HashMap::new();
    let listed = faults.member(object, ("", "methodConfig"), "a list", Value::as_array);
    for (index, entry) in listed.into_iter().flatten().enumerate() {
        let place = format!("methodConfig[{index}].");
        let Some(entry) = entry.as_object() else {
            faults.add(&place, "is not an object");
            continue;
        };
        let config = method(entry, &place, faults);
        let names = faults.member(entry, (&place, "name"), "a list", Value::as_array);
        for name in names.into_iter().flatten() {
            match path(name) {
                Err(why) => faults.add(&format!("{place}name"), why),
                Ok(path) => {
                    if methods.insert(path, config.clone()).is_some() {
                        faults.add(&format!("{place}name"), "stands there twice");
                    }
                }
            }
        }
    }
    methods
}

/// The key of [`ServiceConfig::methods`]: `/service/method`, `/service/` for all of a service, nothing for all.
fn path(name: &Value) -> Result<String, &'static str> {
    let object = name.as_object().ok_or("is not an object")?;
    let text = |member| match object.get(member) {
        None | Some(Value::Null) => Ok(""),
        Some(value) => value.as_str().ok_or("holds what is no text"),
    };
    match (text("service")?, text("method")?) {
        ("", "") => Ok(String::new()),
        ("", _) => Err("names a method and no service"),
        (service, method) => Ok(format!("/{service}/{method}")),
    }
}

fn method(entry: &Map<String, Value>, place: &str, faults: &mut Faults) -> MethodConfig {
    let bytes = |value: &Value| {
        let number = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
        usize::try_from(number).ok()
    };
    MethodConfig {
        timeout: faults.member(entry, (place, "timeout"), "a duration such as \"1.5s\"", duration),
        wait_for_ready: faults
            .member(entry, (place, "waitForReady"), "true or false", Value::as_bool)
            .unwrap_or(false),
        request_bytes_max: faults.member(entry, (place, "maxRequestMessageBytes"), "a whole number", bytes),
        response_bytes_max: faults.member(entry, (place, "maxResponseMessageBytes"), "a whole number", bytes),
        retry: faults
            .member(entry, (place, "retryPolicy"), "an object", Value::as_object)
            .and_then(|policy| retry(policy, &format!("{place}retryPolicy."), faults)),
    }
}

fn retry(policy: &Map<String, Value>, place: &str, faults: &mut Faults) -> Option<RetryPolicy> {
    const WAIT: &str = "a duration above 0 such as \"0.1s\"";
    let above_zero = |value: &Value| duration(value).filter(|duration| !duration.is_zero());
    let attempts = faults.needed(policy, (place, "maxAttempts"), "a whole number from 2", |value| {
        let attempts = value.as_u64().filter(|attempts| *attempts >= 2)?;
        Some(u32::try_from(attempts).unwrap_or(ATTEMPTS_MAX).min(ATTEMPTS_MAX))
    });
    let initial = faults.needed(policy, (place, "initialBackoff"), WAIT, above_zero);
    let max = faults.needed(policy, (place, "maxBackoff"), WAIT, above_zero);
    let multiplier =
        faults.needed(policy, (place, "backoffMultiplier"), "a number above 0, at most 1000", |value| {
            value.as_f64().filter(|multiplier| *multiplier > 0.0 && *multiplier <= 1000.0)
        });
    let codes =
        faults.needed(policy, (place, "retryableStatusCodes"), "a list of codes, not empty", |value| {
            let codes = value.as_array().filter(|codes| !codes.is_empty())?;
            codes.iter().map(code).collect::<Option<Vec<_>>>()
        });
    let attempt_timeout = faults.member(policy, (place, "perAttemptRecvTimeout"), WAIT, above_zero);
    Some(RetryPolicy {
        attempts_max: attempts?,
        backoff: Backoff { initial: initial?, max: max?, multiplier: multiplier? },
        codes: codes?,
        attempt_timeout,
    })
}

/// A code by its name or number.
fn code(value: &Value) -> Option<Code> {
    let number = match value {
        Value::String(name) => CODES.iter().position(|known| known.eq_ignore_ascii_case(name))?,
        other => usize::try_from(other.as_u64()?).ok().filter(|number| *number < CODES.len())?,
    };
    i32::try_from(number).ok().map(Code::from)
}

/// `google.protobuf.Duration` in its JSON form: seconds with up to nine decimals, and an `s`.
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
