//! Valid and invalid service configs.

use super::*;

/// From grpc-go's documentation and examples.
const GRPC_GO_EXAMPLE: &str = r#"{
    "loadBalancingConfig": [{"weighted_target_experimental": {}}, {"round_robin": {}}, {"pick_first": {}}],
    "methodConfig": [
        {
            "name": [{"service": "grpc.examples.echo.Echo"}, {"service": "foo", "method": "Bar"}],
            "waitForReady": true,
            "timeout": ".001s",
            "retryPolicy": {
                "MaxAttempts": 4, "maxAttempts": 4,
                "initialBackoff": "0.01s", "maxBackoff": "0.01s", "backoffMultiplier": 1.0,
                "retryableStatusCodes": ["UNAVAILABLE", 8]
            }
        },
        {"name": [{}], "timeout": "1.000340012s", "maxRequestMessageBytes": 1024, "maxResponseMessageBytes": "2048"}
    ],
    "retryThrottling": {"maxTokens": 100, "tokenRatio": 0.1},
    "healthCheckConfig": {"serviceName": "grpc.health"}
}"#;

fn parse(text: &str) -> Result<ServiceConfig, String> {
    text.parse().map_err(|error: ServiceConfigError| error.to_string())
}

#[test]
fn config_of_grpc_go_is_accepted() {
    // A protobuf duration has a digit before the point; grpc-go's parser requires it, too.
    let errors = parse(GRPC_GO_EXAMPLE).unwrap_err();
    assert_eq!(errors, "methodConfig[0].timeout: is not a duration such as \"1.5s\"");
    let config = parse(&GRPC_GO_EXAMPLE.replace("\".001s\"", "\"0.001s\"")).unwrap();
    assert_eq!(config.policy, Policy::RoundRobin);
    assert_eq!(config.throttling, Some(Throttling { tokens_max: 100_000, token_ratio: 100 }));
    assert_eq!(config.health_service, "grpc.health");
    let echo = config.method("/grpc.examples.echo.Echo/UnaryEcho").unwrap();
    assert_eq!((echo.timeout, echo.wait_for_ready), (Some(Duration::from_millis(1)), true));
    let retry = echo.retry.as_ref().unwrap();
    assert_eq!(
        (retry.attempts_max, &retry.codes[..]),
        (4, &[Code::Unavailable, Code::ResourceExhausted][..])
    );
}

#[test]
fn most_specific_name_applies() {
    let config = parse(&GRPC_GO_EXAMPLE.replace("\".001s\"", "\"0.001s\"")).unwrap();
    let timeout = |path: &str| config.method(path).unwrap().timeout.unwrap();
    assert_eq!(timeout("/foo/Bar"), Duration::from_millis(1));
    assert_eq!(timeout("/foo/Other"), Duration::new(1, 340_012));
    assert_eq!(timeout("/other/Bar"), Duration::new(1, 340_012));
    let other = config.method("/other/Bar").unwrap();
    assert_eq!((other.request_bytes_max, other.response_bytes_max), (Some(1024), Some(2048)));
    assert_eq!(ServiceConfig::default().method("/foo/Bar"), None);
}

#[test]
fn first_supported_policy_of_the_list_is_used() {
    let policy = |text: &str| parse(text).map(|config| config.policy);
    for (text, expected) in [
        ("{}", Policy::PickFirst { shuffle: false }),
        (r#"{"loadBalancingPolicy": "ROUND_ROBIN"}"#, Policy::RoundRobin),
        (
            r#"{"loadBalancingConfig": [{"pick_first": {"shuffleAddressList": true}}]}"#,
            Policy::PickFirst { shuffle: true },
        ),
        (
            r#"{"loadBalancingConfig": [{"grpclb": {}}, {"least_request_experimental": {"choiceCount": 3}}]}"#,
            Policy::LeastLoaded { choices: 3, uses_reports: false },
        ),
        (
            r#"{"loadBalancingConfig": [{"least_loaded": {}}]}"#,
            Policy::LeastLoaded { choices: 2, uses_reports: true },
        ),
    ] {
        assert_eq!(policy(text), Ok(expected), "{text}");
    }
    assert!(policy(r#"{"loadBalancingConfig": [{"grpclb": {}}]}"#).unwrap_err().contains("round_robin"));
    assert!(policy(r#"{"loadBalancingConfig": []}"#).is_err());
}

#[test]
fn max_attempts_is_capped_at_five() {
    let text = r#"{"methodConfig": [{"name": [{}], "retryPolicy": {"maxAttempts": 99, "initialBackoff": "1s",
        "maxBackoff": "1s", "backoffMultiplier": 1, "retryableStatusCodes": ["unavailable"]}}]}"#;
    assert_eq!(
        parse(text).unwrap().method("/a/B").unwrap().retry.as_ref().unwrap().attempts_max,
        ATTEMPTS_MAX
    );
}

#[test]
fn all_errors_are_reported_with_their_path() {
    let errors = parse(
        r#"{"loadBalancingConfig": 1, "retryThrottling": {"maxTokens": 0},
            "methodConfig": [
                {"name": [{"method": "m"}, {"service": "s"}, {"service": "s"}], "timeout": "1",
                 "retryPolicy": {"maxAttempts": 1, "initialBackoff": "0s", "backoffMultiplier": -1,
                                 "retryableStatusCodes": ["NOT_A_CODE"]}},
                7]}"#,
    )
    .unwrap_err();
    for error in [
        "loadBalancingConfig:",
        "retryThrottling.maxTokens:",
        "retryThrottling.tokenRatio:",
        "methodConfig[0].name: has a method and no service",
        "methodConfig[0].name: is listed twice",
        "methodConfig[0].timeout:",
        "methodConfig[0].retryPolicy.maxAttempts:",
        "methodConfig[0].retryPolicy.initialBackoff:",
        "methodConfig[0].retryPolicy.maxBackoff: is missing",
        "methodConfig[0].retryPolicy.backoffMultiplier:",
        "methodConfig[0].retryPolicy.retryableStatusCodes:",
        "methodConfig[1]",
    ] {
        assert!(errors.contains(error), "{error} in {errors}");
    }
}

#[test]
fn texts_other_than_json_objects_are_rejected() {
    for text in ["", "{", "[]", "1", "null"] {
        assert!(parse(text).is_err(), "{text}");
    }
}

#[test]
fn backoff_grows_up_to_its_maximum_with_20_percent_jitter() {
    let backoff =
        Backoff { initial: Duration::from_millis(100), max: Duration::from_millis(350), multiplier: 2.0 };
    for (retry, exact_ms) in [(1, 100), (2, 200), (3, 350), (40, 350), (u32::MAX, 350)] {
        for _ in 0..100 {
            let wait_ms = backoff.wait(retry).as_millis();
            let expected_ms = exact_ms * 79 / 100..=exact_ms * 121 / 100;
            assert!(expected_ms.contains(&wait_ms), "{retry}: {wait_ms}");
        }
    }
}
