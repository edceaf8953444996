//! `/docs` (Swagger UI) and `/openapi.json`.
//!
//! All links are relative: the public address may have a path prefix that a proxy strips.
//!
//! The crate `utoipa-swagger-ui` holds Swagger UI's files; `docs/` adds the page, its initializer and its
//! style sheet. The content security policy of the page admits nothing from other hosts.

use std::{
    borrow::Cow,
    collections::HashMap,
    io::Write,
    sync::{Arc, LazyLock},
};

use axum::{
    extract::{Path, State, rejection::PathRejection},
    response::{IntoResponse, Redirect, Response},
};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use utoipa_swagger_ui::{Config, serve};

use crate::{
    conditional::{Etag, apply_if_none_match},
    limits, openapi, paths,
    problem::Problem,
    response_layers,
    state::AppState,
};

const PAGE: &str = include_str!("docs/index.html");
const INITIALIZER: &str = include_str!("docs/initializer.js");
const STYLE: &str = include_str!("docs/page.css");

/// Swagger UI has icons in data URLs, and one `<style>` in its logo, which the hash admits. All other styles
/// are set by scripts, which no policy restricts.
const CONTENT_SECURITY_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' \
     'sha256-RL3ie0nH+Lzz2YNqQN83mnU0J1ot4QL7b99vMdIX99w='; img-src 'self' data:; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// A cache must revalidate, since file names do not change with a release.
const CACHE_CONTROL: HeaderValue = HeaderValue::from_static("no-cache");

/// The files of Swagger UI that the page loads.
const FILES: [&str; 5] = [
    "favicon-32x32.png",
    "index.css",
    "swagger-ui-bundle.js",
    "swagger-ui-standalone-preset.js",
    "swagger-ui.css",
];

/// A static file.
struct Asset {
    content_type: HeaderValue,
    bytes: Bytes,
    /// Compressed once, since compressing a megabyte for every request would let clients exhaust the CPU.
    /// `None` if compression does not shorten the file.
    gzipped: Option<Bytes>,
    tag: Etag,
}

impl Asset {
    fn new(content_type: HeaderValue, bytes: Bytes) -> Self {
        Self { tag: Etag::of(&bytes), content_type, gzipped: gzip(&bytes), bytes }
    }

    fn of_text(content_type: &'static str, text: &'static str) -> Self {
        Self::new(HeaderValue::from_static(content_type), Bytes::from_static(text.as_bytes()))
    }

    /// The response to a request with these headers.
    fn respond(&self, request_headers: &HeaderMap) -> Response {
        let headers =
            [(header::CONTENT_TYPE, self.content_type.clone()), (header::CACHE_CONTROL, CACHE_CONTROL), VARY];
        let gzipped = self.gzipped.as_ref().filter(|_| response_layers::accepts_gzip(request_headers));
        let response = match gzipped {
            Some(gzipped) => {
                let encoding = [(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"))];
                (headers, encoding, gzipped.clone()).into_response()
            }
            None => (headers, self.bytes.clone()).into_response(),
        };
        apply_if_none_match(request_headers, &self.tag, response)
    }
}

/// `None` if `bytes` are too short for compression or do not get shorter.
fn gzip(bytes: &[u8]) -> Option<Bytes> {
    if (bytes.len() as u64) < limits::COMPRESSED_BYTES_MIN {
        return None;
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).ok()?;
    let gzipped = encoder.finish().ok()?;
    (gzipped.len() < bytes.len()).then(|| gzipped.into())
}

/// Also on a 304 and on uncompressed files, so that all responses of a URL vary alike.
const VARY: (HeaderName, HeaderValue) = (header::VARY, HeaderValue::from_static("accept-encoding"));

static DOCUMENT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(HeaderValue::from_static("application/json"), openapi::document_json().into())
});

static INDEX: LazyLock<Asset> = LazyLock::new(|| Asset::of_text("text/html; charset=utf-8", PAGE));

static ASSETS: LazyLock<HashMap<&'static str, Asset>> = LazyLock::new(|| {
    let initializer = Asset::of_text("text/javascript; charset=utf-8", INITIALIZER);
    let style = Asset::of_text("text/css; charset=utf-8", STYLE);
    let vendored = FILES.into_iter().filter_map(|file| Some((file, load(file)?)));
    vendored.chain([("initializer.js", initializer), ("page.css", style)]).collect()
});

/// Reads a file of Swagger UI.
fn load(file: &str) -> Option<Asset> {
    // The configuration only matters to the initializer of the crate, which is not used.
    let found = serve(file, Arc::new(Config::default())).ok()??;
    let content_type = HeaderValue::try_from(found.content_type).ok()?;
    let bytes = match found.bytes {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => bytes.into(),
    };
    Some(Asset::new(content_type, bytes))
}

/// `GET /docs`.
pub(crate) async fn page(headers: HeaderMap) -> Response {
    let mut response = INDEX.respond(&headers);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY);
    response
}

/// `GET /docs/{file}`.
pub(crate) async fn asset(
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    // Axum rejects a path whose percent-encoding is not UTF-8.
    let asset = path.ok().and_then(|Path(file)| ASSETS.get(file.as_str()));
    let asset = asset.ok_or_else(|| Problem::not_found("The file does not exist."))?;
    Ok(asset.respond(&headers))
}

/// `GET /` redirects to the page, by its absolute URL if that is known: where the prefix is `/api`, proxies
/// forward `/api` as `/`, and a relative URL would lead to a page outside of the prefix.
pub(crate) async fn home(State(state): State<Arc<AppState>>) -> Redirect {
    match &state.public_url {
        Some(url) => Redirect::temporary(&format!("{}{}", url.text(), paths::DOCS)),
        None => Redirect::temporary("docs"),
    }
}

/// Redirects to the page, whose URL relative to that of the request is `url`.
pub(crate) async fn redirect(url: &'static str) -> Redirect {
    Redirect::temporary(url)
}

/// `GET /openapi.json`: the document, byte for byte as committed.
pub(crate) async fn document(headers: HeaderMap) -> Response {
    DOCUMENT.respond(&headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_page_exists() {
        let mut sources: Vec<&str> =
            PAGE.split(['"', '\'']).filter_map(|text| text.strip_prefix("docs/")).collect();
        sources.sort_unstable();
        let mut files: Vec<&str> = ASSETS.keys().copied().collect();
        files.sort_unstable();
        assert_eq!(sources, files);
        assert_eq!(files.len(), FILES.len() + 2);
    }

    #[test]
    fn the_page_loads_this_document_and_uses_no_validator() {
        let relative = paths::OPENAPI_DOCUMENT.trim_start_matches('/');
        assert!(INITIALIZER.contains(&format!("url: \"{relative}\"")));
        assert!(INITIALIZER.contains("validatorUrl: \"none\""));
        assert!(INITIALIZER.contains(&format!("const PATH = \"{}\"", paths::ORDERS)));
    }

    #[test]
    fn the_page_names_no_other_host_and_has_no_inline_script() {
        assert!(
            !PAGE.contains("://")
                && !INITIALIZER.contains("://")
                && !STYLE.contains("url(")
                && !PAGE.contains("<script>")
        );
    }

    #[test]
    fn the_page_has_the_name_of_the_api_and_fits_phones() {
        assert!(PAGE.contains(&format!("<title>{}</title>", crate::problem::pages::API_NAME)));
        assert!(PAGE.contains("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"));
    }
}
