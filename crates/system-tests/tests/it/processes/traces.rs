//! Invalid variables of traces: each service starts all the same, with one warning per variable.

use super::{common_vars, database_vars, with_vars};
use crate::support::process::Process;

/// A port that nothing listens on.
const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://127.0.0.1:9");

#[tokio::test]
async fn invalid_variables_of_traces_are_warned_of_and_stop_no_service() {
    let data = tempfile::tempdir().unwrap();
    let garbage = data.path().join("ca.pem");
    std::fs::write(&garbage, "no certificate").unwrap();
    let garbage = garbage.to_str().unwrap();
    for service in ["gateway", "order", "payment"] {
        for (name, value, warned) in [
            ("OTEL_SDK_DISABLED", "0", "OTEL_SDK_DISABLED"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "hunter2", "OTEL_EXPORTER_OTLP_HEADERS"),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere.pem", "OTEL_EXPORTER_OTLP_CERTIFICATE"),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", garbage, "OTEL_EXPORTER_OTLP_CERTIFICATE"),
        ] {
            let upstreams =
                ["ORDER_SERVICE_URL", "PAYMENT_SERVICE_URL"].map(|url| (url, "localhost:9".to_owned()));
            let environment = with_vars(
                with_vars(common_vars("production"), &database_vars(data.path(), service)),
                &upstreams,
            );
            let own = [ENDPOINT, (name, value), ("PRICE_LIST", "none")]
                .map(|(name, value)| (name, value.to_owned()));
            let mut process = Process::start(&[service], &with_vars(environment, &own));
            process.address().await;
            let exit = process.terminate(std::time::Duration::from_secs(10)).await;
            assert_eq!(exit.code, Some(0), "{exit:#?}");
            let warnings = exit.stderr.iter().filter(|line| line.contains("WARN") && line.contains(warned));
            assert_eq!(warnings.count(), 1, "{service}, {name}={value}: {exit:#?}");
            assert!(!exit.stderr.iter().any(|line| line.contains("hunter2")), "{exit:#?}");
        }
    }
}
