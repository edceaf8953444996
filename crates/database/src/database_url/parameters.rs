//! What may follow the `?` of a server's URL, and what sqlx is told of it.

use std::time::Duration;

use super::{address, duration};

/// What the parameters say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Settings {
    /// What sqlx is told, by its own names.
    pub(super) passed_on: Vec<(&'static str, String)>,
    /// The socket to dial in place of the host.
    pub(super) socket: Option<String>,
    pub(super) connect_timeout: Option<Duration>,
    /// The longer of Go's two, since one exchange may take up either.
    pub(super) io_timeout: Option<Duration>,
    tls: Option<&'static str>,
    has_authority: bool,
}

impl Settings {
    /// Whether MySQL's certificate must hold the host's name.
    pub(super) fn checks_name(&self) -> bool {
        self.tls == Some("VERIFY_IDENTITY")
    }
}

/// The parameters of one form of URL.
pub(super) struct Form {
    accepted: &'static str,
    apply: fn(&mut Settings, &str, &str) -> Result<(), Refused>,
    /// sqlx's name for the TLS mode.
    tls: &'static str,
    /// The mode where none is asked for.
    tls_default: &'static str,
    /// The mode where a certificate authority is given, which would otherwise not be looked at.
    tls_verified: &'static str,
}

enum Refused {
    Unknown,
    /// What is accepted instead.
    Value(&'static str),
}

pub(super) const GO: Form = Form {
    accepted: "charset, collation, tls, timeout, readTimeout, writeTimeout, parseTime, loc, \
               allowNativePasswords, checkConnLiveness, clientFoundRows, interpolateParams, \
               maxAllowedPacket, multiStatements, rejectReadOnly",
    apply: go,
    tls: "ssl-mode",
    tls_default: "PREFERRED",
    tls_verified: "VERIFY_CA",
};

pub(super) const MYSQL: Form = Form {
    accepted: "ssl-mode, ssl-ca, ssl-cert, ssl-key, charset, collation, socket",
    apply: mysql,
    tls: "ssl-mode",
    tls_default: "PREFERRED",
    tls_verified: "VERIFY_CA",
};

pub(super) const POSTGRES: Form = Form {
    accepted: "sslmode, sslrootcert, sslcert, sslkey, connect_timeout, application_name, host",
    apply: postgres,
    tls: "sslmode",
    tls_default: "prefer",
    tls_verified: "verify-ca",
};

/// Reads `name=value&…`, percent-decoded. The last of several with the same name counts.
pub(super) fn read(query: &str, form: &Form, faults: &mut Vec<String>) -> Settings {
    let mut settings = Settings::default();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let what = format!("the parameter {}", shown(name));
        let faults_before = faults.len();
        let value = address::decoded(value, &what, faults);
        if faults.len() > faults_before {
            continue;
        }
        match (form.apply)(&mut settings, name, &value) {
            Ok(()) => {}
            Err(Refused::Unknown) => {
                faults.push(format!("{what} is unknown (accepted: {})", form.accepted));
            }
            Err(Refused::Value(accepted)) => faults.push(format!("{what} is not {accepted}")),
        }
    }
    let mode = match settings.tls {
        // libpq reads `require` so.
        None | Some("require") if settings.has_authority => form.tls_verified,
        mode => mode.unwrap_or(form.tls_default),
    };
    settings.passed_on.push((form.tls, mode.to_owned()));
    settings
}

/// A parameter's name, unless it looks like none: then it may be a part of the password.
fn shown(name: &str) -> &str {
    let is_name =
        name.len() <= 32 && name.bytes().all(|byte| byte.is_ascii_alphabetic() || b"-_".contains(&byte));
    if is_name { name } else { "whose name is not shown" }
}

fn go(settings: &mut Settings, name: &str, value: &str) -> Result<(), Refused> {
    match name {
        "charset" => charset(value),
        "collation" => collation(settings, value),
        "tls" => {
            settings.tls = Some(match value.to_ascii_lowercase().as_str() {
                "true" | "1" => "VERIFY_IDENTITY",
                "false" | "0" => "DISABLED",
                "skip-verify" => "REQUIRED",
                "preferred" => "PREFERRED",
                _ => return Err(Refused::Value("true, false, skip-verify or preferred")),
            });
            Ok(())
        }
        "timeout" => {
            settings.connect_timeout = limit(duration::parse(value), duration::ACCEPTED)?;
            Ok(())
        }
        "readTimeout" | "writeTimeout" => {
            let timeout = limit(duration::parse(value), duration::ACCEPTED)?;
            settings.io_timeout = settings.io_timeout.max(timeout);
            Ok(())
        }
        "parseTime"
        | "loc"
        | "allowNativePasswords"
        | "checkConnLiveness"
        | "clientFoundRows"
        | "interpolateParams"
        | "maxAllowedPacket"
        | "multiStatements"
        | "rejectReadOnly" => Ok(()),
        _ => Err(Refused::Unknown),
    }
}

fn mysql(settings: &mut Settings, name: &str, value: &str) -> Result<(), Refused> {
    const MODES: [&str; 5] = ["DISABLED", "PREFERRED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY"];
    match name {
        "ssl-mode" => {
            let mode = MODES.into_iter().find(|mode| mode.eq_ignore_ascii_case(value));
            let accepted = "DISABLED, PREFERRED, REQUIRED, VERIFY_CA or VERIFY_IDENTITY";
            settings.tls = Some(mode.ok_or(Refused::Value(accepted))?);
            Ok(())
        }
        "ssl-ca" => authority(settings, "ssl-ca", value),
        "ssl-cert" => file(settings, "ssl-cert", value),
        "ssl-key" => file(settings, "ssl-key", value),
        "charset" => charset(value),
        "collation" => collation(settings, value),
        "socket" => socket(settings, value),
        _ => Err(Refused::Unknown),
    }
}

fn postgres(settings: &mut Settings, name: &str, value: &str) -> Result<(), Refused> {
    const MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];
    match name {
        "sslmode" => {
            let accepted = "disable, allow, prefer, require, verify-ca or verify-full";
            let mode = MODES.into_iter().find(|mode| *mode == value);
            settings.tls = Some(mode.ok_or(Refused::Value(accepted))?);
            Ok(())
        }
        "sslrootcert" => authority(settings, "sslrootcert", value),
        "sslcert" => file(settings, "sslcert", value),
        "sslkey" => file(settings, "sslkey", value),
        "connect_timeout" => {
            const SECONDS_MAX: u64 = 86_400;
            let seconds = value.parse().ok().filter(|seconds| *seconds <= SECONDS_MAX);
            let accepted = "a whole number of seconds up to 86400, or 0 for the default of 5 s";
            settings.connect_timeout = limit(seconds.map(Duration::from_secs), accepted)?;
            Ok(())
        }
        "application_name" => {
            settings.passed_on.push(("application_name", value.to_owned()));
            Ok(())
        }
        "host" => socket(settings, value),
        _ => Err(Refused::Unknown),
    }
}

/// Texts of orders are any Unicode, which no other character set of MySQL's can hold.
fn charset(value: &str) -> Result<(), Refused> {
    // sqlx's own choice, so that it need not be told.
    let is_listed = value.split(',').any(|charset| charset.trim() == "utf8mb4");
    is_listed.then_some(()).ok_or(Refused::Value("utf8mb4 or a list with it: texts are any Unicode"))
}

fn collation(settings: &mut Settings, value: &str) -> Result<(), Refused> {
    let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    // sqlx puts it into a statement as it stands.
    if !value.starts_with("utf8mb4_") || !value.bytes().all(is_name) {
        return Err(Refused::Value("a collation of utf8mb4, such as utf8mb4_bin, in lower case"));
    }
    settings.passed_on.push(("collation", value.to_owned()));
    Ok(())
}

fn authority(settings: &mut Settings, name: &'static str, value: &str) -> Result<(), Refused> {
    settings.has_authority = true;
    file(settings, name, value)
}

fn file(settings: &mut Settings, name: &'static str, value: &str) -> Result<(), Refused> {
    if value.is_empty() {
        return Err(Refused::Value("the path of a PEM file"));
    }
    settings.passed_on.push((name, value.to_owned()));
    Ok(())
}

fn socket(settings: &mut Settings, value: &str) -> Result<(), Refused> {
    if !value.starts_with('/') {
        return Err(Refused::Value("the absolute path of a socket"));
    }
    settings.socket = Some(value.to_owned());
    Ok(())
}

/// Zero leaves the default.
fn limit(duration: Option<Duration>, accepted: &'static str) -> Result<Option<Duration>, Refused> {
    let duration = duration.ok_or(Refused::Value(accepted))?;
    Ok((!duration.is_zero()).then_some(duration))
}
