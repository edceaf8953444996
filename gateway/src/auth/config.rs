//! Who may order, read from the environment.
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `AUTH_JWKS_URL` | address of the issuer's keys (JWKS, RFC 7517), for RS256, ES256 and EdDSA | none |
//! | `AUTH_JWKS_CA_FILE` | the authorities trusted of an https `AUTH_JWKS_URL` | the system's |
//! | `AUTH_JWKS_FILE` | a file with the keys instead | none |
//! | `AUTH_HS256_SECRET_FILE` | a file with a secret of 32 bytes or more, for HS256; a newline at its end is not part of it | none |
//! | `AUTH_HS256_SECRET` | the secret itself instead | none |
//! | `AUTH_ISSUER`, `AUTH_AUDIENCE` | `iss` and `aud` of every token | required with any of the above |
//! | `AUTH_LEEWAY_SECONDS` | by how much clocks may differ, 0 to 60 | 30 |
//! | `AUTH` | `none`: anyone may order for any user | |
//!
//! Production demands keys or `AUTH=none`. In development, where nothing is set, anyone may; [`Config::log_warnings`] says
//! so, once.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use http::{Uri, uri::Scheme};
use rustls::RootCertStore;
use service_kit::{
    admin::Readiness,
    env::{Mode, Reader, Secrecy},
};

use super::{
    key_set::{Key, KeySet},
    source::{KeySource, RemoteKeys, read_file},
    token::TokenRules,
};
use crate::limits::{LEEWAY_SECONDS, LEEWAY_SECONDS_DEFAULT, SECRET_BYTES};

const JWKS_URL: &str = "AUTH_JWKS_URL";
const JWKS_CA_FILE: &str = "AUTH_JWKS_CA_FILE";
const JWKS_FILE: &str = "AUTH_JWKS_FILE";
const SECRET: &str = "AUTH_HS256_SECRET";
const SECRET_FILE: &str = "AUTH_HS256_SECRET_FILE";
const ISSUER: &str = "AUTH_ISSUER";
const AUDIENCE: &str = "AUTH_AUDIENCE";
const LEEWAY: &str = "AUTH_LEEWAY_SECONDS";

/// Every variable, for a program that passes them on.
pub const VARIABLES: [&str; 9] =
    ["AUTH", JWKS_URL, JWKS_CA_FILE, JWKS_FILE, SECRET_FILE, SECRET, ISSUER, AUDIENCE, LEEWAY];

/// Who may order. The default is anyone, for any user.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// What is jwt of a request; `None` for nothing.
    pub(super) jwt: Option<JwtConfig>,
    /// Whether it was asked for that nothing is.
    pub(super) opted_out: bool,
}

/// Tokens, and the keys that they are signed with.
#[derive(Clone)]
pub(super) struct JwtConfig {
    pub(super) rules: TokenRules,
    /// Where the issuer's keys are, and those that were read there already.
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
    /// Reads the variables, and the files that they name. `mode` is what was read before; `None` where a fault was
    /// recorded, be it here or about that.
    pub fn read(reader: &mut Reader<'_>, mode: Option<Mode>) -> Option<Self> {
        let opted_out = reader
            .optional_with("AUTH", "none", Secrecy::Public, |text| (text == "none").then_some(()))
            .is_some();
        let named = AuthVars::read(reader)?;
        if opted_out && !named.has_none() {
            reader.fault("AUTH", "none, and yet there is another variable whose name begins with AUTH_");
            return None;
        }
        if named.has_none() {
            if !opted_out && mode? == Mode::Production {
                reader.missing(
                    JWKS_URL,
                    "production lets nobody order whom it does not know; accepted: AUTH_JWKS_URL, AUTH_JWKS_FILE or \
                     AUTH_HS256_SECRET_FILE, or AUTH=none",
                );
                return None;
            }
            return Some(Self { jwt: None, opted_out });
        }
        let jwt = named.load(reader)?;
        Some(Self { jwt: Some(jwt), opted_out: false })
    }

    /// Whether a token tells whose each request is.
    pub(crate) fn identifies_users(&self) -> bool {
        self.jwt.is_some()
    }

    /// Says in the log that anyone may order, and in `readiness` where that was asked for.
    pub fn log_warnings(&self, readiness: &Readiness) {
        if self.opted_out {
            tracing::warn!("AUTH=none: whoever reaches the gateway orders for any user");
            readiness.record_opt_out("AUTH".to_owned());
        } else if self.jwt.is_none() {
            tracing::warn!("no AUTH_ variable is set: whoever reaches the gateway orders for any user");
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
    leeway_seconds: Option<u64>,
}

impl AuthVars {
    /// Reads them. `None` where a fault was recorded.
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let accepted = "an absolute http or https URL without user and fragment";
        let url = reader.optional_with_or_fault(JWKS_URL, accepted, Secrecy::Public, parse_url);
        let mut file =
            |name, what| reader.optional_with_or_fault(name, what, Secrecy::Public, |text| text.parse().ok());
        let ca = file(JWKS_CA_FILE, "the path of a PEM file");
        let key_set = file(JWKS_FILE, "the path of a JSON file");
        let accepted = format!("{} to {} bytes", SECRET_BYTES.start(), SECRET_BYTES.end());
        let secret = reader.optional_with_or_fault(SECRET, &accepted, Secrecy::Secret, parse_secret);
        let text = |text: &str| Some(text.to_owned());
        let issuer = reader.optional_with_or_fault(ISSUER, "a text", Secrecy::Public, text);
        let audience = reader.optional_with_or_fault(AUDIENCE, "a text", Secrecy::Public, text);
        let accepted =
            format!("a whole number of seconds from {} to {}", LEEWAY_SECONDS.start(), LEEWAY_SECONDS.end());
        let leeway_seconds = reader.optional_with_or_fault(LEEWAY, &accepted, Secrecy::Public, |text| {
            text.parse().ok().filter(|seconds| LEEWAY_SECONDS.contains(seconds))
        });
        // Each fault has been recorded by now.
        Some(Self {
            url: url?,
            ca: ca?,
            file: key_set?,
            secret: secret?,
            issuer: issuer?,
            audience: audience?,
            leeway_seconds: leeway_seconds?,
        })
    }

    fn has_none(&self) -> bool {
        let Self { url, ca, file, secret, issuer, audience, leeway_seconds } = self;
        url.is_none()
            && [ca, file].iter().all(|file| file.is_none())
            && secret.is_none()
            && [issuer, audience].iter().all(|text| text.is_none())
            && leeway_seconds.is_none()
    }

    fn load(self, reader: &mut Reader<'_>) -> Option<JwtConfig> {
        self.contradiction(reader)?;
        let key_set = match (self.url, self.file) {
            (Some(url), _) => {
                let secure = url.scheme() == Some(&Scheme::HTTPS);
                if !secure && is_off_loopback(&url) {
                    // Whoever is on the way could give keys of his own, and be anyone.
                    reader.fault(
                        JWKS_URL,
                        "keys are read in plain text from loopback alone; accepted: an https address",
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
                        reader.fault(JWKS_FILE, &format!("{}: {error}", path.display()));
                        return None;
                    }
                }
            }
            (None, None) => None,
        };
        let leeway = self.leeway_seconds.unwrap_or(LEEWAY_SECONDS_DEFAULT);
        let rules = TokenRules::new(&self.issuer?, &self.audience?, leeway);
        Some(JwtConfig { rules, key_set, secret: self.secret })
    }

    /// `None` where variables do not go together, and that was recorded.
    fn contradiction(&self, reader: &mut Reader<'_>) -> Option<()> {
        let faultless = record_faults(
            reader,
            &[
                (
                    self.url.is_some() && self.file.is_some(),
                    JWKS_FILE,
                    "AUTH_JWKS_URL says where the keys are too",
                ),
                (
                    self.ca.is_some() && self.url.as_ref().and_then(Uri::scheme) != Some(&Scheme::HTTPS),
                    JWKS_CA_FILE,
                    "it means nothing without an https AUTH_JWKS_URL",
                ),
            ],
        );
        let has_keys = self.url.is_some() || self.file.is_some() || self.secret.is_some();
        if !has_keys {
            let why = "the other AUTH_ variables mean nothing without keys; accepted: AUTH_JWKS_URL, AUTH_JWKS_FILE \
                       or AUTH_HS256_SECRET_FILE";
            reader.missing(JWKS_URL, why);
            return None;
        }
        let mut complete = true;
        for (name, value) in [(ISSUER, &self.issuer), (AUDIENCE, &self.audience)] {
            if value.is_none() {
                reader.missing(name, "every token is held against it");
                complete = false;
            }
        }
        (faultless && complete).then_some(())
    }
}

/// Records those faults that are there, each with its variable; whether there is none.
fn record_faults(reader: &mut Reader<'_>, faults: &[(bool, &str, &str)]) -> bool {
    faults.iter().filter(|(is_there, ..)| *is_there).map(|(_, name, what)| reader.fault(name, what)).count()
        == 0
}

fn parse_url(text: &str) -> Option<Uri> {
    let uri: Uri = text.parse().ok()?;
    let web = uri.scheme() == Some(&Scheme::HTTP) || uri.scheme() == Some(&Scheme::HTTPS);
    let host = uri.authority().is_some_and(|authority| !authority.host().is_empty());
    // A password would be sent to nobody, and shown to everybody.
    (web && host && !text.contains(['@', '#'])).then_some(uri)
}

fn parse_secret(text: &str) -> Option<Key> {
    SECRET_BYTES.contains(&text.len()).then(|| Key::secret(text.as_bytes()))
}

/// Whether an address leaves this host, as far as can be told without asking anyone.
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
            let (name, what) = match ca {
                Some(path) => (JWKS_CA_FILE, format!("{}: there is no certificate in it", path.display())),
                None => {
                    (JWKS_URL, "the system trusts no authority; name one by AUTH_JWKS_CA_FILE".to_owned())
                }
            };
            reader.fault(name, &what);
            return None;
        }
    }
    match RemoteKeys::new(url, roots) {
        Ok(remote) => Some(KeySource::Url(Box::new(remote))),
        Err(error) => {
            reader.fault(JWKS_URL, &error.to_string());
            None
        }
    }
}

#[cfg(test)]
mod tests;
