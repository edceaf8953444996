//! Authentication of clients, configured by environment variables ([`VARIABLES`]).
//!
//! Production requires keys or `AUTH=none`. In development without any of the variables, requests need no
//! token; [`Config::log_warnings`] then logs a warning.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use http::{Uri, uri::Scheme};
use rustls::RootCertStore;
use service_kit::{
    admin::Readiness,
    env::{Kind, Mode, Reader, Variable, WhenAbsent},
};

use super::{
    key_set::{Key, KeySet},
    source::{KeySource, RemoteKeys, read_file},
    token::TokenRules,
};
use crate::limits::{self, SECRET_BYTES};

const AUTH: Variable = Variable {
    name: "AUTH",
    kind: Kind::Text("none"),
    when_absent: WhenAbsent::Means("production requires keys"),
    meaning: "The value none lets production accept requests without a token, for any user.",
};
const JWKS_URL: Variable = Variable {
    name: "AUTH_JWKS_URL",
    kind: Kind::Text("an absolute http or https URL without user and fragment"),
    when_absent: WhenAbsent::Means("none"),
    meaning: "Address of the issuer's keys (JWKS, RFC 7517) for RS256, ES256 and EdDSA; https, or loopback.",
};
const JWKS_CA_FILE: Variable = Variable {
    name: "AUTH_JWKS_CA_FILE",
    kind: Kind::Text("the path of a PEM file"),
    when_absent: WhenAbsent::Means("the authorities of the system"),
    meaning: "Certificate authorities that the gateway trusts for an https AUTH_JWKS_URL.",
};
const JWKS_FILE: Variable = Variable {
    name: "AUTH_JWKS_FILE",
    kind: Kind::Text("the path of a JSON file"),
    when_absent: WhenAbsent::Means("none"),
    meaning: "File with the issuer's keys, instead of AUTH_JWKS_URL.",
};
const SECRET: Variable = Variable {
    name: "AUTH_HS256_SECRET",
    kind: Kind::Secret("32 to 1024 bytes"),
    when_absent: WhenAbsent::Means("none"),
    meaning: "Shared secret of the issuer, for HS256.",
};
const ISSUER: Variable = Variable {
    name: "AUTH_ISSUER",
    kind: Kind::Text("a text"),
    when_absent: WhenAbsent::Means("required with keys"),
    meaning: "The claim iss that every token must have.",
};
const AUDIENCE: Variable = Variable {
    name: "AUTH_AUDIENCE",
    kind: Kind::Text("a text"),
    when_absent: WhenAbsent::Means("required with keys"),
    meaning: "A value that the claim aud of every token must have.",
};
const LEEWAY_SECONDS: Variable = Variable {
    name: "AUTH_LEEWAY_SECONDS",
    kind: Kind::Number {
        from: *limits::LEEWAY_SECONDS.start(),
        to: *limits::LEEWAY_SECONDS.end(),
        unit: "seconds",
    },
    when_absent: WhenAbsent::DefaultNumber(limits::LEEWAY_SECONDS_DEFAULT),
    meaning: "Tolerated difference between the clocks of the issuer and of the gateway.",
};

/// The variables of authentication.
pub const VARIABLES: &[&Variable] =
    &[&AUTH, &JWKS_URL, &JWKS_CA_FILE, &JWKS_FILE, &SECRET, &ISSUER, &AUDIENCE, &LEEWAY_SECONDS];
/// Those that require tokens.
const TOKEN_VARIABLES: [&Variable; 7] =
    [&JWKS_URL, &JWKS_CA_FILE, &JWKS_FILE, &SECRET, &ISSUER, &AUDIENCE, &LEEWAY_SECONDS];

/// The authentication of clients. The default requires none.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// The tokens that requests must have; `None` for none.
    pub(super) jwt: Option<JwtConfig>,
    /// Whether `AUTH=none` is set.
    pub(super) opted_out: bool,
}

/// The rules of tokens, and the keys of their signatures.
#[derive(Clone)]
pub(super) struct JwtConfig {
    pub(super) rules: TokenRules,
    /// The source of the issuer's keys, and the keys that were read at start.
    pub(super) key_set: Option<(KeySource, Option<Arc<KeySet>>)>,
    pub(super) secret: Option<Key>,
}

impl fmt::Debug for JwtConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = (self.key_set.as_ref().map(|(source, _)| source), self.secret.is_some());
        f.debug_struct("JwtConfig").field("rules", &self.rules).field("keys", &keys).finish()
    }
}

impl Config {
    /// Reads the variables, and the files that they name. `mode` is `None` where reading it recorded a fault.
    /// Returns `None` where a fault was recorded, here or for `mode`.
    pub fn read(reader: &mut Reader<'_>, mode: Option<Mode>) -> Option<Self> {
        let opted_out = reader.value_with(&AUTH, |text| (text == "none").then_some(())).is_some();
        let named = AuthVars::read(reader)?;
        let without_tokens = TOKEN_VARIABLES.iter().all(|variable| !reader.is_set(variable));
        if opted_out && !without_tokens {
            reader.fault(&AUTH, "none, while another variable that begins with AUTH_ is set");
            return None;
        }
        if without_tokens {
            if !opted_out && mode? == Mode::Production {
                reader.missing(
                    &JWKS_URL,
                    "production requires authentication; accepted: AUTH_JWKS_URL, AUTH_JWKS_FILE or \
                     AUTH_HS256_SECRET_FILE, or AUTH=none",
                );
                return None;
            }
            return Some(Self { jwt: None, opted_out });
        }
        let jwt = named.load(reader)?;
        Some(Self { jwt: Some(jwt), opted_out: false })
    }

    /// Whether each request has a token, and so a user.
    pub(crate) fn identifies_users(&self) -> bool {
        self.jwt.is_some()
    }

    /// Logs a warning where requests need no token, and records `AUTH=none` in `readiness`.
    pub fn log_warnings(&self, readiness: &Readiness) {
        if self.opted_out {
            tracing::warn!("AUTH=none: clients without a token may order for any user");
            readiness.record_opt_out("AUTH".to_owned());
        } else if self.jwt.is_none() {
            tracing::warn!("no AUTH_ variable is set: clients without a token may order for any user");
        }
    }
}

/// The values of the variables.
struct AuthVars {
    url: Option<Uri>,
    ca: Option<PathBuf>,
    file: Option<PathBuf>,
    secret: Option<Key>,
    issuer: Option<String>,
    audience: Option<String>,
    leeway_seconds: u64,
}

impl AuthVars {
    /// Reads them. `None` where a fault was recorded.
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let url = reader.optional_with(&JWKS_URL, parse_url);
        let [ca, file] = [&JWKS_CA_FILE, &JWKS_FILE].map(|variable| reader.optional(variable));
        let secret = reader.optional_with(&SECRET, parse_secret);
        let [issuer, audience] = [&ISSUER, &AUDIENCE].map(|variable| reader.value(variable));
        let leeway_seconds = reader.number(&LEEWAY_SECONDS);
        // `?` only here: all faults are recorded by now.
        Some(Self {
            url: url?,
            ca: ca?,
            file: file?,
            secret: secret?,
            issuer,
            audience,
            leeway_seconds: leeway_seconds?,
        })
    }

    fn load(self, reader: &mut Reader<'_>) -> Option<JwtConfig> {
        self.contradiction(reader)?;
        let key_set = match (self.url, self.file) {
            (Some(url), _) => {
                let secure = url.scheme() == Some(&Scheme::HTTPS);
                if !secure && is_off_loopback(&url) {
                    // The network could replace the keys, and then sign any token.
                    reader.fault(
                        &JWKS_URL,
                        "keys are read in plain text from loopback only; accepted: an https address",
                    );
                    return None;
                }
                Some((remote(reader, url, secure, self.ca.as_deref())?, None))
            }
            (None, Some(path)) => {
                let read = read_file(&path).and_then(|document| Ok(KeySet::parse(&document)?));
                match read {
                    Ok(read) => Some((KeySource::File(path), Some(Arc::new(read.keys)))),
                    Err(error) => {
                        reader.fault(&JWKS_FILE, &format!("{}: {error}", path.display()));
                        return None;
                    }
                }
            }
            (None, None) => None,
        };
        let rules = TokenRules::new(&self.issuer?, &self.audience?, self.leeway_seconds);
        Some(JwtConfig { rules, key_set, secret: self.secret })
    }

    /// Records contradictions between variables; `None` where there is one.
    fn contradiction(&self, reader: &mut Reader<'_>) -> Option<()> {
        let mut consistent = true;
        if self.url.is_some() && self.file.is_some() {
            reader.fault(&JWKS_FILE, "AUTH_JWKS_URL is set too; accepted: one of them");
            consistent = false;
        }
        if self.ca.is_some() && self.url.as_ref().and_then(Uri::scheme) != Some(&Scheme::HTTPS) {
            reader.fault(&JWKS_CA_FILE, "it has no effect without an https AUTH_JWKS_URL");
            consistent = false;
        }
        let has_keys = self.url.is_some() || self.file.is_some() || self.secret.is_some();
        if !has_keys {
            let why = "the other AUTH_ variables have no effect without keys; accepted: AUTH_JWKS_URL, \
                       AUTH_JWKS_FILE or AUTH_HS256_SECRET_FILE";
            reader.missing(&JWKS_URL, why);
            return None;
        }
        for (variable, value) in [(&ISSUER, &self.issuer), (&AUDIENCE, &self.audience)] {
            if value.is_none() {
                reader.missing(variable, "every token is checked against it");
                consistent = false;
            }
        }
        consistent.then_some(())
    }
}

fn parse_url(text: &str) -> Option<Uri> {
    let uri: Uri = text.parse().ok()?;
    let is_http = uri.scheme() == Some(&Scheme::HTTP) || uri.scheme() == Some(&Scheme::HTTPS);
    let host = uri.authority().is_some_and(|authority| !authority.host().is_empty());
    // A password in the URL would not be sent, but shown in errors and logs.
    (is_http && host && !text.contains(['@', '#'])).then_some(uri)
}

fn parse_secret(text: &str) -> Option<Key> {
    SECRET_BYTES.contains(&text.len()).then(|| Key::secret(text.as_bytes()))
}

/// Whether the host of `url` is not loopback; names other than localhost are not resolved.
fn is_off_loopback(url: &Uri) -> bool {
    let host = url.host().unwrap_or_default();
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    let loopback = bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback());
    !loopback && !bare.eq_ignore_ascii_case("localhost")
}

fn remote(reader: &mut Reader<'_>, url: Uri, secure: bool, ca: Option<&Path>) -> Option<KeySource> {
    let mut roots = RootCertStore::empty();
    if secure {
        let found = match ca {
            Some(path) => rustls_native_certs::load_certs_from_paths(Some(path), None),
            None => rustls_native_certs::load_native_certs(),
        };
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            match ca {
                Some(path) => {
                    reader.fault(&JWKS_CA_FILE, &format!("{}: no certificate in it", path.display()));
                }
                None => reader.fault(&JWKS_URL, "the system trusts no authority; set AUTH_JWKS_CA_FILE"),
            }
            return None;
        }
    }
    match RemoteKeys::new(url, roots) {
        Ok(remote) => Some(KeySource::Url(Box::new(remote))),
        Err(error) => {
            reader.fault(&JWKS_URL, &error.to_string());
            None
        }
    }
}

#[cfg(test)]
mod tests;
