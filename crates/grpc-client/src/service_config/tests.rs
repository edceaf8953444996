//! What a service config may say, and what it may not.

use super::*;

/// In the words of grpc-go's documentation and examples.
const OF_GRPC_GO: &str = r#"{
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

fn read(text: &str) -> Result<ServiceConfig, String> {
    text.parse().map_err(|error: ServiceConfigError| error.to_string())
}

#[test]
fn a_config_written_for_grpc_go_is_read() {
    // A duration of protobuf has a digit before its point; grpc-go's own parser asks for it too.
    let refused = read(OF_GRPC_GO).unwrap_err();
    assert_eq!(refused, "methodConfig[0].timeout: is not a duration such as \"1.5s\"");
    let config = read(&OF_GRPC_GO.replace("\".001s\"", "\"0.001s\"")).unwrap();
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
fn the_nearest_name_decides() {
    let config = read(&OF_GRPC_GO.replace("\".001s\"", "\"0.001s\"")).unwrap();
    let of = |path: &str| config.method(path).unwrap().timeout.unwrap();
    assert_eq!(of("/foo/Bar"), Duration::from_millis(1));
    assert_eq!(of("/foo/Other"), Duration::new(1, 340_012));
    assert_eq!(of("/other/Bar"), Duration::new(1, 340_012));
    let other = config.method("/other/Bar").unwrap();
    assert_eq!((other.request_bytes_max, other.response_bytes_max), (Some(1024), Some(2048)));
    assert_eq!(ServiceConfig::default().method("/foo/Bar"), None);
}

#[test]
fn the_first_known_policy_of_the_list_wins() {
    let policy = |text: &str| read(text).map(|config| config.policy);
    for (text, expected) in [
        ("{}", Policy::PickFirst { shuffle: false }),
        (r#"{"loadBalancingPolicy": "ROUND_ROBIN"}"#, Policy::RoundRobin),
        (
            r#"{"loadBalancingConfig": [{"pick_first": {"shuffleAddressList": true}}]}"#,
            Policy::PickFirst { shuffle: true },
        ),
        (
            r#"{"loadBalancingConfig": [{"grpclb": {}}, {"least_request_experimental": {"choiceCount": 3}}]}"#,
            Policy::LeastLoaded { choices: 3, reports: false },
        ),
        (
            r#"{"loadBalancingConfig": [{"least_loaded": {}}]}"#,
            Policy::LeastLoaded { choices: 2, reports: true },
        ),
    ] {
        assert_eq!(policy(text), Ok(expected), "{text}");
    }
    assert!(policy(r#"{"loadBalancingConfig": [{"grpclb": {}}]}"#).unwrap_err().contains("round_robin"));
    assert!(policy(r#"{"loadBalancingConfig": []}"#).is_err());
}

#[test]
fn more_attempts_than_five_are_five() {
    let text = r#"{"methodConfig": [{"name": [{}], "retryPolicy": {"maxAttempts": 99, "initialBackoff": "1s",
        "maxBackoff": "1s", "backoffMultiplier": 1, "retryableStatusCodes": ["unavailable"]}}]}"#;
    assert_eq!(
        read(text).unwrap().method("/a/B").unwrap().retry.as_ref().unwrap().attempts_max,
        ATTEMPTS_MAX
    );
}

#[test]
fn everything_that_is_wrong_is_named() {
    let refused = read(
        r#"{"loadBalancingConfig": 1, "retryThrottling": {"maxTokens": 0},
            "methodConfig": [
                {"name": [{"method": "m"}, {"service": "s"}, {"service": "s"}], "timeout": "1",
                 "retryPolicy": {"maxAttempts": 1, "initialBackoff": "0s", "backoffMultiplier": -1,
                                 "retryableStatusCodes": ["NOT_A_CODE"]}},
                7]}"#,
    )
    .unwrap_err();
    for place in [
        "loadBalancingConfig:",
        "retryThrottling.maxTokens:",
        "retryThrottling.tokenRatio:",
        "methodConfig[0].name: names a method and no service",
        "methodConfig[0].name: stands there twice",
        "methodConfig[0].timeout:",
        "methodConfig[0].retryPolicy.maxAttempts:",
        "methodConfig[0].retryPolicy.initialBackoff:",
        "methodConfig[0].retryPolicy.maxBackoff: is missing",
        "methodConfig[0].retryPolicy.backoffMultiplier:",
        "methodConfig[0].retryPolicy.retryableStatusCodes:",
        "methodConfig[1]",
    ] {
        assert!(refused.contains(place), "{place} in {refused}");
    }
}

#[test]
fn what_is_no_object_is_refused() {
    for text in ["", "{", "[]", "1", "null"] {
        assert!(read(text).is_err(), "{text}");
    }
}

#[test]
fn a_wait_grows_up_to_its_bound_with_a_fifth_of_jitter() {
    let backoff =
        Backoff { initial: Duration::from_millis(100), max: Duration::from_millis(350), multiplier: 2.0 };
    for (turn, exact) in [(1, 100), (2, 200), (3, 350), (40, 350), (u32::MAX, 350)] {
        for _ in 0..100 {
            let waited = backoff.wait(turn).as_millis();
            assert!((exact * 79 / 100..=exact * 121 / 100).contains(&waited), "{turn}: {waited}");
        }
    }
}
