//! `/docs`: Swagger UI over the OpenAPI document, and `/openapi.json`, the document itself.
//!
//! Every asset comes from the crate that holds them; the page's content security policy lets a browser load
//! nothing from elsewhere.

use std::{
    borrow::Cow,
    sync::{Arc, LazyLock},
};

use axum::{
    extract::{Path, rejection::PathRejection},
    response::{Html, IntoResponse, Redirect, Response},
};
use bytes::Bytes;
use http::header;
use utoipa_swagger_ui::{Config, serve};

use crate::{openapi, problem::Problem};

/// Where the page is.
pub(crate) const PATH: &str = "/docs";
/// Where the document is.
pub(crate) const DOCUMENT_PATH: &str = "/openapi.json";

const PAGE: &str = include_str!("docs/index.html");

/// Swagger UI sets style attributes, and shows icons from data URLs.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static CONFIG: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| {
    // Without "none" the page would send the document's address to validator.swagger.io.
    let config = Config::new([DOCUMENT_PATH]).validator_url("none").try_it_out_enabled(true);
    Arc::new(config.display_request_duration(true))
});

static DOCUMENT: LazyLock<String> = LazyLock::new(openapi::document_json);

/// The page; the addresses in it begin with [`PATH`], so that it is the same with and without a slash.
pub(crate) async fn page() -> Response {
    ([(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY)], Html(PAGE)).into_response()
}

/// What the page loads.
pub(crate) async fn asset(path: Result<Path<String>, PathRejection>) -> Result<Response, Problem> {
    let no_file = || Problem::not_found("There is no such file.");
    // Refused where its percent-encoding gives no UTF-8.
    let Path(file) = path.map_err(|_| no_file())?;
    let found = serve(&file, CONFIG.clone()).map_err(|error| {
        tracing::error!(%error, "an asset of the documentation cannot be made");
        Problem::internal()
    })?;
    let asset = found.ok_or_else(no_file)?;
    let bytes = match asset.bytes {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => bytes.into(),
    };
    Ok(([(header::CONTENT_TYPE, asset.content_type.as_str())], bytes).into_response())
}

/// The way to the page.
pub(crate) async fn to_page() -> Redirect {
    Redirect::temporary(PATH)
}

/// The document, byte for byte as it is committed.
pub(crate) async fn document() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], Bytes::from_static(DOCUMENT.as_bytes())).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_the_page_loads_is_there() {
        let sources = PAGE.split(['"', '\'']).filter_map(|text| text.strip_prefix("/docs/"));
        let mut count = 0;
        for source in sources {
            assert!(serve(source, CONFIG.clone()).unwrap().is_some(), "{source}");
            count += 1;
        }
        assert!(count >= 5);
    }

    #[test]
    fn the_page_reads_our_document_and_asks_no_validator() {
        let initializer = serve("swagger-initializer.js", CONFIG.clone()).unwrap().unwrap();
        let text = String::from_utf8(initializer.bytes.into_owned()).unwrap();
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
