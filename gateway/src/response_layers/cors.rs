//! Cross-origin resource sharing (CORS, the Fetch standard), configured by [`VARIABLES`].

use std::str::FromStr;

use http::{HeaderValue, Method, Uri, header};
use service_kit::{
    env::{Kind, Reader, Variable, WhenAbsent},
    trace,
};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::{
    header_names::{IDEMPOTENT_REPLAYED, RATE_LIMIT, RATE_LIMIT_POLICY},
    key::IDEMPOTENCY_KEY,
    limits, prefer,
    timeout::GRPC_TIMEOUT,
};

const CORS_ALLOWED_ORIGINS: Variable = Variable {
    name: "CORS_ALLOWED_ORIGINS",
    kind: Kind::Text(
        "*, or a comma list of origins, https://shop.example,http://localhost:5173 for instance",
    ),
    when_absent: WhenAbsent::Means("none"),
    meaning: "Origins whose scripts may read responses.",
};
const CORS_ALLOW_CREDENTIALS: Variable = Variable {
    name: "CORS_ALLOW_CREDENTIALS",
    kind: Kind::Text("true or false"),
    when_absent: WhenAbsent::Default("false"),
    meaning: "The value true lets these scripts send cookies and client certificates; not with *.",
};

/// The variables of cross-origin resource sharing.
pub const VARIABLES: &[&Variable] = &[&CORS_ALLOWED_ORIGINS, &CORS_ALLOW_CREDENTIALS];

/// The access of other origins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Origins whose scripts may read responses.
    pub origins: Origins,
    /// Whether these scripts may send cookies and client certificates.
    pub credentials: bool,
}

/// A set of origins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    /// Every origin.
    Any,
    /// The listed ones, as browsers write them in `Origin`.
    Listed(Vec<HeaderValue>),
}

/// A text that is neither `*` nor a list of origins; contains the invalid element.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an origin")]
pub struct OriginsError(String);

impl Config {
    /// The configuration, `Some(None)` where no origin is allowed; `None` where a fault was recorded.
    pub fn read(reader: &mut Reader<'_>) -> Option<Option<Self>> {
        let origins: Option<Option<Origins>> = reader.optional(&CORS_ALLOWED_ORIGINS);
        let (origins, credentials) = origins.zip(reader.value(&CORS_ALLOW_CREDENTIALS))?;
        match origins {
            Some(Origins::Any) if credentials => {
                // Any page that a user opens could send requests with the user's cookies.
                reader.fault(&CORS_ALLOW_CREDENTIALS, "true cannot go with CORS_ALLOWED_ORIGINS=*");
                None
            }
            None if credentials => {
                reader.fault(&CORS_ALLOW_CREDENTIALS, "true means nothing without CORS_ALLOWED_ORIGINS");
                None
            }
            origins => Some(origins.map(|origins| Self { origins, credentials })),
        }
    }

    /// The layer that responds to preflight requests, and adds the CORS headers to the other responses.
    pub(crate) fn layer(&self) -> CorsLayer {
        let origins = match &self.origins {
            Origins::Any => AllowOrigin::any(),
            Origins::Listed(origins) => AllowOrigin::list(origins.iter().cloned()),
        };
        CorsLayer::new()
            .allow_origin(origins)
            .allow_credentials(self.credentials)
            .allow_methods([Method::GET, Method::HEAD, Method::POST])
            .allow_headers([
                header::AUTHORIZATION,
                header::CONTENT_TYPE,
                header::IF_NONE_MATCH,
                IDEMPOTENCY_KEY,
                GRPC_TIMEOUT,
                prefer::PREFER,
                trace::REQUEST_ID,
                trace::TRACEPARENT,
                trace::TRACESTATE,
            ])
            .expose_headers([
                header::ETAG,
                header::LINK,
                header::LOCATION,
                header::RETRY_AFTER,
                header::WWW_AUTHENTICATE,
                IDEMPOTENCY_KEY,
                IDEMPOTENT_REPLAYED,
                prefer::PREFERENCE_APPLIED,
                trace::REQUEST_ID,
                RATE_LIMIT,
                RATE_LIMIT_POLICY,
            ])
            .max_age(limits::PREFLIGHT_AGE_MAX)
    }
}

impl FromStr for Origins {
    type Err = OriginsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.trim() == "*" {
            return Ok(Self::Any);
        }
        let origin = |part: &str| origin(part.trim()).ok_or_else(|| OriginsError(part.trim().to_owned()));
        text.split(',').map(origin).collect::<Result<_, _>>().map(Self::Listed)
    }
}

/// An origin as browsers write it: scheme, host in lower case, and a port unless it is the scheme's default.
/// `null`, the origin of every sandboxed frame, is rejected.
fn origin(text: &str) -> Option<HeaderValue> {
    let lower = text.to_ascii_lowercase();
    let (scheme, rest) = lower.split_once("://")?;
    let default_port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return None,
    };
    let uri: Uri = lower.parse().ok()?;
    let authority = uri.authority()?;
    // An origin has no path, query, user or wildcard.
    let only_origin =
        authority.as_str() == rest && !rest.contains(['@', '*']) && !authority.host().is_empty();
    let port = rest.strip_prefix(authority.host())?;
    let port_fits = port.is_empty() || authority.port_u16().is_some();
    let rest = rest.strip_suffix(default_port).unwrap_or(rest);
    (only_origin && port_fits).then(|| HeaderValue::try_from(format!("{scheme}://{rest}")).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(text: &str) -> Option<Vec<String>> {
        match text.parse().ok()? {
            Origins::Any => Some(vec!["any".to_owned()]),
            Origins::Listed(all) => Some(all.iter().map(|one| one.to_str().unwrap().to_owned()).collect()),
        }
    }

    #[test]
    fn origins_are_normalised_as_browsers_write_them() {
        for (text, expected) in [
            ("*", &["any"][..]),
            ("https://shop.example", &["https://shop.example"]),
            (
                "https://Shop.example:443, http://localhost:5173,http://[::1]:80",
                &["https://shop.example", "http://localhost:5173", "http://[::1]"],
            ),
            ("http://a:443", &["http://a:443"]),
        ] {
            assert_eq!(listed(text).unwrap(), expected, "{text}");
        }
    }

    fn configured(vars: &[(&str, &str)]) -> Result<Option<Config>, String> {
        let needed =
            [("APPLICATION_PORT", "0"), ("ENV", "development"), ("ORDER_SERVICE_URL", "localhost:3000")];
        let vars = needed.into_iter().chain(vars.iter().copied()).collect();
        crate::Config::read(&vars).map(|config| config.cors).map_err(|errors| errors.to_string())
    }

    #[test]
    fn no_origin_is_allowed_by_default() {
        assert_eq!(configured(&[]), Ok(None));
        assert_eq!(configured(&[("CORS_ALLOW_CREDENTIALS", "false")]), Ok(None));
        let any = Config { origins: Origins::Any, credentials: false };
        assert_eq!(configured(&[("CORS_ALLOWED_ORIGINS", "*")]), Ok(Some(any)));
        let listed = configured(&[("CORS_ALLOWED_ORIGINS", "https://a"), ("CORS_ALLOW_CREDENTIALS", "true")]);
        assert!(listed.unwrap().unwrap().credentials);
    }

    #[test]
    fn a_fault_names_its_variable() {
        for (vars, fault) in [
            (
                &[("CORS_ALLOWED_ORIGINS", "https://a,b")][..],
                "CORS_ALLOWED_ORIGINS environment variable is invalid: found \"https://a,b\"; accepted: *, or ",
            ),
            (
                &[("CORS_ALLOW_CREDENTIALS", "yes")],
                "CORS_ALLOW_CREDENTIALS environment variable is invalid: found \"yes\"; accepted: true or false.",
            ),
            (
                &[("CORS_ALLOWED_ORIGINS", "*"), ("CORS_ALLOW_CREDENTIALS", "true")],
                "CORS_ALLOW_CREDENTIALS environment variable is invalid: true cannot go with CORS_ALLOWED_ORIGINS=*.",
            ),
            (
                &[("CORS_ALLOW_CREDENTIALS", "true")],
                "CORS_ALLOW_CREDENTIALS environment variable is invalid: true means nothing without ",
            ),
        ] {
            let errors = configured(vars).unwrap_err();
            assert!(errors.starts_with(fault) && errors.lines().count() == 1, "{errors}");
        }
    }

    #[test]
    fn an_invalid_origin_is_rejected() {
        for bad in [
            "null",
            "shop.example",
            "https://",
            "https://a/",
            "https://a/b",
            "https://a?b",
            "https://a#b",
            "https://u@a",
            "https://*.a",
            "https://a:port",
            "https://a:",
            "https://a:65536",
            "ftp://a",
            "*,https://a",
            "https://a,*",
            "https://a,",
            ",",
            "https://a b",
        ] {
            assert_eq!(listed(bad), None, "{bad}");
        }
    }
}
