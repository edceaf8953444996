//! The HTML pages under `/problems/` that the member `type` links to: what a type means and what a client can
//! do. Plain HTML without scripts and without assets from other hosts.

use std::fmt::Write as _;

use axum::{
    Router,
    extract::{Path, rejection::PathRejection},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use http::{HeaderName, HeaderValue, header};

use super::{
    Problem, example,
    registry::{self, ProblemStatus, ProblemType, TypeKey, code_name},
};

/// The name of this API on its pages and in the OpenAPI document.
pub(crate) const API_NAME: &str = "Orders API";

const STYLE: &str = include_str!("pages.css");
/// Admits the style sheet, and the empty icon that spares a request for one.
const CONTENT_SECURITY_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'",
);
/// The pages change only with a release. The hour bounds how long a cache shows an old one.
const CACHE_CONTROL: HeaderValue = HeaderValue::from_static("public, max-age=3600");

/// `GET /problems/`, `GET /problems/{slug}` for each type, and the style sheet. An unknown slug is a 404
/// problem.
pub fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        // Relative, like every link of these pages: the public address may have a path prefix.
        .route("/problems", get(|| async { Redirect::permanent("problems/") }))
        .route("/problems/", get(|| async { page("Problem types", &index()) }))
        .route("/problems/page.css", get(style))
        .route("/problems/{slug}", get(type_page))
}

/// The path of a type's page.
pub(super) fn path(slug: &str) -> String {
    format!("/problems/{slug}")
}

async fn style() -> Response {
    let css = HeaderValue::from_static("text/css; charset=utf-8");
    ([(header::CONTENT_TYPE, css), (header::CACHE_CONTROL, CACHE_CONTROL)], STYLE).into_response()
}

async fn type_page(slug: Result<Path<String>, PathRejection>) -> Response {
    // Axum rejects a path whose percent-encoding is not UTF-8; no type has such a slug.
    match slug.ok().and_then(|Path(slug)| registry::by_slug(&slug)) {
        Some(kind) => page(kind.title, &article(kind)),
        None => {
            Problem::not_found("No problem type has this name; /problems/ lists all types.").into_response()
        }
    }
}

fn page(title: &str, main: &str) -> Response {
    let title = escape(title);
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title} - {API_NAME}</title>\n<link rel=\"icon\" href=\"data:,\">\n\
         <link rel=\"stylesheet\" href=\"page.css\">\n</head>\n\
         <body>\n<header><nav><a href=\"../docs\">{API_NAME}</a> <a href=\"./\">Problem types</a></nav></header>\n\
         <main>\n<h1>{title}</h1>\n{main}</main>\n</body>\n</html>\n"
    );
    let headers: [(HeaderName, HeaderValue); 3] = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::CACHE_CONTROL, CACHE_CONTROL),
    ];
    (headers, html).into_response()
}

// Writing into a String cannot fail, so the results are discarded.

fn index() -> String {
    let mut html = "<p>Every response with a status of 400 or above is <code>application/problem+json</code> (RFC \
        9457). Its member <code>type</code> is one of the following.</p>\n<table>\n<tr><th>Type</th><th>Status</th>\
        <th>Meaning</th></tr>\n"
        .to_owned();
    for kind in registry::TYPES {
        let (slug, title) = (escape(kind.slug), escape(kind.title));
        let statuses = list(kind.statuses, |status| status.http.as_u16().to_string());
        let _ = writeln!(
            html,
            "<tr><td><a href=\"{slug}\">{slug}</a></td><td>{statuses}</td><td>{title}</td></tr>"
        );
    }
    html + "</table>\n"
}

fn article(kind: &'static ProblemType) -> String {
    let mut html = String::new();
    for (heading, text) in [("What happened", kind.what_happened), ("What to do", kind.what_to_do)] {
        let _ = writeln!(html, "<h2>{heading}</h2>\n<p>{}</p>", prose(text));
    }
    html.push_str("<h2>In the response</h2>\n<table>\n");
    for (name, value) in facts(kind) {
        let _ = writeln!(html, "<tr><th>{name}</th><td>{}</td></tr>", escape(&value));
    }
    html.push_str("</table>\n");
    for status in kind.statuses {
        let json = serde_json::to_string_pretty(&example(kind, status.http)).unwrap_or_default();
        let _ = writeln!(html, "<h2>Example: {}</h2>\n<pre>{}</pre>", status.http, escape(&json));
    }
    html
}

fn facts(kind: &ProblemType) -> Vec<(&'static str, String)> {
    let mut facts = vec![("HTTP status", list(kind.statuses, |status| status.http.to_string()))];
    if let TypeKey::Reason { domain, reason } = kind.key {
        facts.push(("Reason", format!("{reason} (domain {domain})")));
    }
    facts.push(("gRPC code", list(kind.statuses, |status| code_name(status.code).to_owned())));
    let retryable = if kind.retryable {
        "yes: the same request with the same idempotency key may succeed later"
    } else {
        "no"
    };
    facts.push(("Retryable", retryable.to_owned()));
    let (delayed, others): (Vec<ProblemStatus>, Vec<_>) =
        kind.statuses.iter().copied().partition(|status| status.retry_after);
    if !delayed.is_empty() {
        let statuses = list(&delayed, |status| status.http.as_u16().to_string());
        let text = if others.is_empty() { "always".to_owned() } else { format!("always with {statuses}") };
        facts.push(("Retry-After", text));
    }
    if !kind.metadata.is_empty() {
        facts.push(("Metadata", kind.metadata.join(", ")));
    }
    facts
}

/// The texts of all statuses, without consecutive repetitions.
fn list(statuses: &[ProblemStatus], text: impl Fn(&ProblemStatus) -> String) -> String {
    let mut texts: Vec<String> = statuses.iter().map(text).collect();
    texts.dedup();
    texts.join(", ")
}

/// `text` as HTML, with `<code>` for backticks.
fn prose(text: &str) -> String {
    let mut html = String::new();
    for (index, part) in text.split('`').enumerate() {
        let part = escape(part);
        if index % 2 == 0 {
            html.push_str(&part);
        } else {
            let _ = write!(html, "<code>{part}</code>");
        }
    }
    html
}

/// `text` as HTML, for element content and quoted attributes.
fn escape(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c => html.push(c),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::{escape, prose};

    #[test]
    fn backticks_become_code_elements() {
        assert_eq!(prose("see `<x>` and `y`."), "see <code>&lt;x&gt;</code> and <code>y</code>.");
    }

    #[test]
    fn html_special_characters_are_escaped() {
        assert_eq!(escape("<a href=\"'&'\">"), "&lt;a href=&quot;&#39;&amp;&#39;&quot;&gt;");
    }
}
