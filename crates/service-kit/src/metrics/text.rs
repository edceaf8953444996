//! A registry as text, in the format that the scraper accepts.
//!
//! The library writes OpenMetrics only, which Prometheus accepts. For tools with only the older text format
//! (`promtool check metrics`, many agents) it is rewritten: the name of a counter has its `_total` in the
//! comments too, and an info is a gauge.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, header};
use prometheus_client::{encoding::text::encode, registry::Registry};

const OPENMETRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
const CLASSIC: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// The registry as OpenMetrics text.
pub fn render(registry: &Arc<Registry>) -> String {
    let mut text = String::new();
    // Writing into a String cannot fail; an empty page would show a failure.
    if encode(&mut text, registry).is_err() {
        text.clear();
    }
    text
}

/// The registry, and its media type, for a request with these headers.
pub(crate) fn page(registry: &Arc<Registry>, headers: &HeaderMap) -> (HeaderValue, String) {
    let text = render(registry);
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    match accept.contains("application/openmetrics-text") {
        true => (OPENMETRICS, text),
        false => (CLASSIC, classic(&text)),
    }
}

/// OpenMetrics as Prometheus's text format 0.0.4.
fn classic(openmetrics: &str) -> String {
    let mut text = String::with_capacity(openmetrics.len() + openmetrics.len() / 16);
    let mut help = None;
    for line in openmetrics.lines() {
        // The library writes the help of a metric directly before its type, which decides the name.
        if line.starts_with("# HELP ") {
            help = line.strip_prefix("# HELP ").and_then(|line| line.split_once(' '));
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|line| line.split_once(' '))
        {
            let (suffix, kind) = match kind {
                "counter" => ("_total", kind),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                _ => ("", kind),
            };
            if let Some((_, help)) = help.take() {
                text.push_str(&format!("# HELP {name}{suffix} {help}\n"));
            }
            text.push_str(&format!("# TYPE {name}{suffix} {kind}\n"));
        } else if !line.starts_with('#') {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::{counter::Counter, info::Info};

    use super::*;

    fn rendered(accept: &'static str) -> (HeaderValue, String) {
        let mut registry = Registry::default();
        registry.register("calls", "Calls made", Counter::<u64>::default());
        registry.register("build", "What was built", Info::new([("version", "1")]));
        let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]);
        page(&Arc::new(registry), &headers)
    }

    #[test]
    fn openmetrics_is_sent_where_accepted() {
        let (kind, text) = rendered("application/openmetrics-text;version=1.0.0,text/plain;q=0.5");
        assert_eq!(kind, OPENMETRICS);
        assert!(
            text.contains("# TYPE calls counter\ncalls_total 0\n") && text.ends_with("# EOF\n"),
            "{text}"
        );
    }

    #[test]
    fn other_scrapers_get_the_older_format() {
        let (kind, text) = rendered("*/*");
        assert_eq!(kind, CLASSIC);
        assert_eq!(
            text,
            "# HELP calls_total Calls made.\n# TYPE calls_total counter\ncalls_total 0\n\
             # HELP build_info What was built.\n# TYPE build_info gauge\nbuild_info{version=\"1\"} 1\n"
        );
    }
}
