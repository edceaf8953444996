//! The pages under `/problems/`, which `type` leads to: what a type means and what a caller can do, for
//! people. Plain HTML without scripts; nothing comes from another host.

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
    registry::{self, Answer, Key, ProblemType, code_name},
};

const STYLE: &str = include_str!("pages.css");
/// The pages need no more than their own style sheet, and an empty icon that spares a request for one.
const CONTENT_SECURITY_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);
/// The pages change only with a release; an hour bounds how long an old one is shown.
const CACHE_CONTROL: HeaderValue = HeaderValue::from_static("public, max-age=3600");

/// `GET /problems/`, a page for each type under `GET /problems/{slug}`, and their style sheet. A slug that no
/// type has is a problem of its own.
pub fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        // Relative, as every link here: the public may know the gateway by a prefix.
        .route("/problems", get(|| async { Redirect::permanent("problems/") }))
        .route("/problems/", get(|| async { page("Problem types", &index()) }))
        .route("/problems/page.css", get(style))
        .route("/problems/{slug}", get(of_type))
}

/// Where the page of a type is.
pub(super) fn path(slug: &str) -> String {
    format!("/problems/{slug}")
}

async fn style() -> Response {
    let css = HeaderValue::from_static("text/css; charset=utf-8");
    ([(header::CONTENT_TYPE, css), (header::CACHE_CONTROL, CACHE_CONTROL)], STYLE).into_response()
}

async fn of_type(slug: Result<Path<String>, PathRejection>) -> Response {
    // A path whose percent-encoding gives no UTF-8 is no type's either.
    match slug.ok().and_then(|Path(slug)| registry::by_slug(&slug)) {
        Some(kind) => page(kind.title, &article(kind)),
        None => Problem::not_found("There is no problem type of this name; /problems/ lists them all.")
            .into_response(),
    }
}

fn page(title: &str, main: &str) -> Response {
    let title = escaped(title);
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<link rel=\"icon\" href=\"data:,\">\n\
         <link rel=\"stylesheet\" href=\"page.css\">\n</head>\n\
         <body>\n<main>\n<h1>{title}</h1>\n{main}</main>\n</body>\n</html>\n"
    );
    let headers: [(HeaderName, HeaderValue); 3] = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::CACHE_CONTROL, CACHE_CONTROL),
    ];
    (headers, html).into_response()
}

fn index() -> String {
    let mut html = "<p>Every answer with a status from 400 is <code>application/problem+json</code> (RFC 9457). Its \
        <code>type</code> is one of these.</p>\n<table>\n<tr><th>Type</th><th>Status</th><th>Meaning</th></tr>\n"
        .to_owned();
    for kind in registry::TYPES {
        let (slug, title) = (escaped(kind.slug), escaped(kind.title));
        let statuses = list(kind.answers, |answer| answer.status.as_u16().to_string());
        // Writing into a String cannot fail.
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
    html.push_str("<h2>How it is told</h2>\n<table>\n");
    for (name, value) in facts(kind) {
        let _ = writeln!(html, "<tr><th>{name}</th><td>{}</td></tr>", escaped(&value));
    }
    html.push_str("</table>\n");
    for answer in kind.answers {
        let json = serde_json::to_string_pretty(&example(kind, answer.status)).unwrap_or_default();
        let _ = writeln!(html, "<h2>Example: {}</h2>\n<pre>{}</pre>", answer.status, escaped(&json));
    }
    html + "<p><a href=\"./\">All problem types</a></p>\n"
}

fn facts(kind: &ProblemType) -> Vec<(&'static str, String)> {
    let mut facts = vec![("HTTP status", list(kind.answers, |answer| answer.status.to_string()))];
    if let Key::Reason { domain, reason } = kind.key {
        facts.push(("Reason", format!("{reason} (domain {domain})")));
    }
    facts.push(("gRPC code", list(kind.answers, |answer| code_name(answer.code).to_owned())));
    let retryable = if kind.retryable {
        "yes: the same request with the same idempotency key may later succeed"
    } else {
        "no"
    };
    facts.push(("Retryable", retryable.to_owned()));
    if kind.retry_after {
        facts.push(("Retry-After", "always".to_owned()));
    }
    if !kind.metadata.is_empty() {
        facts.push(("Metadata", kind.metadata.join(", ")));
    }
    facts
}

/// What `of` says of each answer, each once.
fn list(answers: &[Answer], of: impl Fn(&Answer) -> String) -> String {
    let mut said: Vec<String> = answers.iter().map(of).collect();
    said.dedup();
    said.join(", ")
}

/// `text` as HTML; what stands between backticks is code.
fn prose(text: &str) -> String {
    let mut html = String::new();
    for (place, part) in text.split('`').enumerate() {
        let part = escaped(part);
        if place % 2 == 0 {
            html.push_str(&part);
        } else {
            let _ = write!(html, "<code>{part}</code>");
        }
    }
    html
}

/// `text` as HTML, in an element or between double quotes.
fn escaped(text: &str) -> String {
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
    use super::{escaped, prose};

    #[test]
    fn what_stands_between_backticks_is_code() {
        assert_eq!(prose("see `<x>` and `y`."), "see <code>&lt;x&gt;</code> and <code>y</code>.");
    }

    #[test]
    fn what_html_would_take_for_its_own_is_escaped() {
        assert_eq!(escaped("<a href=\"'&'\">"), "&lt;a href=&quot;&#39;&amp;&#39;&quot;&gt;");
    }
}
