//! `RUST_LOG`: the syntax of tracing's `EnvFilter`, without filters that match nothing by mistake.
//!
//! `EnvFilter` reads a word that is not a level as the name of a target: `warning` turns all other logs off.

use std::{fmt, str::FromStr};

use tracing_subscriber::{EnvFilter, filter::LevelFilter};

/// The crates of this workspace and the libraries that log.
const TARGETS: [&str; 19] = [
    "all_in_one",
    "axum",
    "database",
    "gateway",
    "grpc_client",
    "h2",
    "hyper",
    "hyper_util",
    "opentelemetry",
    "opentelemetry_otlp",
    "opentelemetry_sdk",
    "order",
    "payment",
    "rustls",
    "service_kit",
    "sqlx",
    "tonic",
    "tower",
    "tower_http",
];

/// A filter of log lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFilter(String);

impl LogFilter {
    /// Without `RUST_LOG`.
    pub const DEFAULT: &'static str = "info";

    pub(super) fn to_env_filter(&self) -> EnvFilter {
        EnvFilter::new(&self.0)
    }
}

impl Default for LogFilter {
    fn default() -> Self {
        Self(Self::DEFAULT.to_owned())
    }
}

/// Why a text is not a [`LogFilter`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidLogFilter(String);

impl FromStr for LogFilter {
    type Err = InvalidLogFilter;

    /// # Errors
    ///
    /// A directive is neither a level nor a target, or no directive has an effect.
    fn from_str(text: &str) -> Result<Self, InvalidLogFilter> {
        let invalid = |error: &dyn fmt::Display| InvalidLogFilter(error.to_string());
        EnvFilter::try_new(text).map_err(|error| invalid(&error))?;
        // Only EnvFilter knows the syntax of directives for spans, `order[place{user=1}]=debug` for instance.
        if !text.contains('[') {
            let mut has_effect = false;
            for directive in text.split(',').filter(|directive| !directive.is_empty()) {
                has_effect |= has_effect_alone(directive).ok_or_else(|| {
                    invalid(&format_args!(
                        "{directive:?} is neither a level (off, error, warn, info, debug, trace) nor a known \
                         target, such as order or sqlx"
                    ))
                })?;
            }
            if !has_effect {
                return Err(invalid(&"it names neither a level for all targets nor a known target"));
            }
        }
        Ok(Self(text.to_owned()))
    }
}

/// Whether lines of this system can match a directive, or `None` for an invalid directive.
fn has_effect_alone(directive: &str) -> Option<bool> {
    let is_level = |text: &str| LevelFilter::from_str(text).is_ok() && !text.is_empty();
    let is_path = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "_:-.".contains(c));
    match directive.split_once('=') {
        None if is_level(directive) => Some(true),
        None => is_known(directive).then_some(true),
        Some((target, level)) => (is_path(target) && is_level(level)).then(|| is_known(target)),
    }
}

fn is_known(target: &str) -> bool {
    TARGETS.contains(&target.split("::").next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_of_levels_and_known_targets_are_valid() {
        for text in [
            "info",
            "WARN",
            "off",
            "3",
            "order",
            "order=debug,info",
            "sqlx::query=trace",
            "info,some_library=off",
            "info,",
            "gateway[request]=debug",
        ] {
            assert_eq!(text.parse(), Ok(LogFilter(text.to_owned())));
        }
    }

    #[test]
    fn filters_that_match_nothing_by_mistake_are_invalid() {
        for text in [
            "warning",
            "INFO ",
            " info",
            "info;",
            "info order=debug",
            "info;order=debug",
            "info,ordr",
            "ordr=debug",
            "order:debug",
            "order=verbose",
            "order=",
            "=info",
            ",",
            "info, order=debug",
            "orders",
        ] {
            let error = text.parse::<LogFilter>().expect_err(text);
            assert!(!error.to_string().is_empty());
        }
    }

    #[test]
    fn the_error_names_the_directive() {
        let error = "info,warning".parse::<LogFilter>().unwrap_err().to_string();
        assert!(error.starts_with("\"warning\" is neither a level"), "{error}");
    }
}
