//! `/docs`: Swagger UI over the OpenAPI document, and `/openapi.json`, the document itself.
//!
//! Every asset comes from the crate that holds them; the page's content security policy lets a browser load
//! nothing from elsewhere.

use std::{
    borrow::Cow,
    collections::HashMap,
    io::Write,
    sync::{Arc, LazyLock},
};

use axum::{
    extract::{Path, rejection::PathRejection},
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
};

const PAGE: &str = include_str!("docs/index.html");

/// Swagger UI shows icons from data URLs. What it styles it styles by the DOM, which no policy forbids, but for the one
/// `<style>` in its logo, which is let in by its hash.
const CONTENT_SECURITY_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'sha256-RL3ie0nH+Lzz2YNqQN83mnU0J1ot4QL7b99vMdIX99w='; \
     img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// Names stay the same from release to release: whoever keeps a file asks each time whether it may be used.
const CACHE_CONTROL: HeaderValue = HeaderValue::from_static("no-cache");

/// What the page loads, of all that Swagger UI consists of.
const FILES: [&str; 6] = [
    "favicon-32x32.png",
    "index.css",
    "swagger-initializer.js",
    "swagger-ui-bundle.js",
    "swagger-ui-standalone-preset.js",
    "swagger-ui.css",
];

static CONFIG: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| {
    // Without "none" the page would send the document's address to validator.swagger.io.
    let config = Config::new([paths::OPENAPI_DOCUMENT]).validator_url("none").try_it_out_enabled(true);
    Arc::new(config.display_request_duration(true))
});

/// Something that is served as it is.
struct Asset {
    kind: HeaderValue,
    bytes: Bytes,
    /// The same, compressed once: for strangers to ask for a megabyte costs them more than the gateway. `None` where
    /// nothing is gained by it.
    gzipped: Option<Bytes>,
    tag: Etag,
}

impl Asset {
    fn new(kind: HeaderValue, bytes: Bytes) -> Self {
        Self { tag: Etag::of(&bytes), kind, gzipped: gzip(&bytes), bytes }
    }

    /// The answer to a caller with the headers `asked`.
    fn answer(&self, asked: &HeaderMap) -> Response {
        let headers =
            [(header::CONTENT_TYPE, self.kind.clone()), (header::CACHE_CONTROL, CACHE_CONTROL), VARY];
        let response = match self.gzipped.as_ref().filter(|_| response_layers::accepts_gzip(asked)) {
            Some(gzipped) => {
                let encoding = [(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"))];
                (headers, encoding, gzipped.clone()).into_response()
            }
            None => (headers, self.bytes.clone()).into_response(),
        };
        apply_if_none_match(asked, &self.tag, response)
    }
}

/// `None` where `bytes` are too short to gain by it, or do not, or where it fails, which memory does not.
fn gzip(bytes: &[u8]) -> Option<Bytes> {
    if (bytes.len() as u64) < limits::COMPRESSED_BYTES_MIN {
        return None;
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).ok()?;
    let gzipped = encoder.finish().ok()?;
    (gzipped.len() < bytes.len()).then(|| gzipped.into())
}

/// Also of a 304 and of what is too short to be compressed, so that a cache hears one thing.
const VARY: (HeaderName, HeaderValue) = (header::VARY, HeaderValue::from_static("accept-encoding"));

static DOCUMENT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(HeaderValue::from_static("application/json"), openapi::document_json().into())
});

static INDEX: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(HeaderValue::from_static("text/html; charset=utf-8"), Bytes::from_static(PAGE.as_bytes()))
});

static ASSETS: LazyLock<HashMap<&'static str, Asset>> =
    LazyLock::new(|| FILES.into_iter().filter_map(|file| Some((file, load(file)?))).collect());

fn load(file: &str) -> Option<Asset> {
    let found = serve(file, CONFIG.clone())
        .inspect_err(|error| tracing::error!(%error, file, "an asset of the documentation cannot be made"));
    let found = found.ok()??;
    let kind = HeaderValue::try_from(found.content_type).ok()?;
    let bytes = match found.bytes {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => bytes.into(),
    };
    Some(Asset::new(kind, bytes))
}

/// The page; the addresses in it begin with [`paths::DOCS`], so that it is the same with and without a slash.
pub(crate) async fn page(asked: HeaderMap) -> Response {
    let mut response = INDEX.answer(&asked);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY);
    response
}

/// What the page loads.
pub(crate) async fn asset(
    path: Result<Path<String>, PathRejection>,
    asked: HeaderMap,
) -> Result<Response, Problem> {
    // Refused where its percent-encoding gives no UTF-8.
    let asset = path.ok().and_then(|Path(file)| ASSETS.get(file.as_str()));
    let asset = asset.ok_or_else(|| Problem::not_found("There is no such file."))?;
    Ok(asset.answer(&asked))
}

/// The way to the page.
pub(crate) async fn redirect_to_page() -> Redirect {
    Redirect::temporary(paths::DOCS)
}

/// The document, byte for byte as it is committed.
pub(crate) async fn document(asked: HeaderMap) -> Response {
    DOCUMENT.answer(&asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_the_page_loads_is_there() {
        let mut sources: Vec<&str> =
            PAGE.split(['"', '\'']).filter_map(|text| text.strip_prefix("/docs/")).collect();
        sources.sort_unstable();
        assert_eq!(sources, FILES);
        assert_eq!(ASSETS.len(), FILES.len());
    }

    #[test]
    fn the_page_reads_our_document_and_asks_no_validator() {
        let text = String::from_utf8(ASSETS["swagger-initializer.js"].bytes.to_vec()).unwrap();
        assert!(
            text.contains(r#""url": "/openapi.json""#) && text.contains(r#""validatorUrl": "none""#),
            "{text}"
        );
    }

    #[test]
    fn the_page_names_no_other_host_and_has_no_script_of_its_own() {
        assert!(!PAGE.contains("://") && !PAGE.contains("<script>"));
    }
}
