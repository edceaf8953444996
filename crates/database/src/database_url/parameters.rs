//! The parameters of a server's URL, and their translation to sqlx's.

use std::time::Duration;

use super::{address, duration};

/// The parsed parameters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Settings {
    /// Parameters for sqlx, by its names.
    pub(super) sqlx_parameters: Vec<(&'static str, String)>,
    /// The Unix socket that replaces the host.
    pub(super) socket: Option<String>,
    pub(super) connect_timeout: Option<Duration>,
    /// The longer one of `readTimeout` and `writeTimeout`, since a transaction does both.
    pub(super) io_timeout: Option<Duration>,
    tls: Option<&'static str>,
    has_authority: bool,
}

impl Settings {
    /// Whether the host name is checked against MySQL's certificate.
    pub(super) fn checks_name(&self) -> bool {
        self.tls == Some("VERIFY_IDENTITY")
    }
}

/// The parameters of one URL form.
pub(super) struct Form {
    accepted: &'static str,
    apply: fn(&mut Settings, &str, &str) -> Result<(), ParameterError>,
    /// sqlx's name of the TLS mode.
    tls: &'static str,
    /// The default mode.
    tls_default: &'static str,
    /// The default mode if a certificate authority is given.
    tls_verified: &'static str,
}

enum ParameterError {
    Unknown,
    /// Invalid; contains the accepted values.
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

/// Parses `name=value&…`, percent-decoded. The last parameter of a name counts.
pub(super) fn parse(query: &str, form: &Form, errors: &mut Vec<String>) -> Settings {
    let mut settings = Settings::default();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let what = format!("the parameter {}", shown(name));
        let errors_before = errors.len();
        let value = address::decoded(value, &what, errors);
        if errors.len() > errors_before {
            continue;
        }
        match (form.apply)(&mut settings, name, &value) {
            Ok(()) => {}
            Err(ParameterError::Unknown) => {
                errors.push(format!("{what} is unknown (accepted: {})", form.accepted));
            }
            Err(ParameterError::Value(accepted)) => errors.push(format!("{what} is not {accepted}")),
        }
    }
    let mode = match settings.tls {
        // As libpq treats `require`.
        None | Some("require") if settings.has_authority => form.tls_verified,
        mode => mode.unwrap_or(form.tls_default),
    };
    settings.sqlx_parameters.push((form.tls, mode.to_owned()));
    settings
}

/// The name of a parameter, unless it does not look like a name and may be part of a password.
fn shown(name: &str) -> &str {
    let is_name =
        name.len() <= 32 && name.bytes().all(|byte| byte.is_ascii_alphabetic() || b"-_".contains(&byte));
    if is_name { name } else { "whose name is not shown" }
}

fn go(settings: &mut Settings, name: &str, value: &str) -> Result<(), ParameterError> {
    match name {
        "charset" => charset(value),
        "collation" => collation(settings, value),
        "tls" => {
            settings.tls = Some(match value.to_ascii_lowercase().as_str() {
                "true" | "1" => "VERIFY_IDENTITY",
                "false" | "0" => "DISABLED",
                "skip-verify" => "REQUIRED",
                "preferred" => "PREFERRED",
                _ => return Err(ParameterError::Value("true, false, skip-verify or preferred")),
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
        | "multiStatements" => Ok(()),
        "rejectReadOnly" => match value.to_ascii_lowercase().as_str() {
            "true" | "1" => Ok(()),
            _ => Err(ParameterError::Value("true: connections to a read-only server are always closed")),
        },
        _ => Err(ParameterError::Unknown),
    }
}

fn mysql(settings: &mut Settings, name: &str, value: &str) -> Result<(), ParameterError> {
    const MODES: [&str; 5] = ["DISABLED", "PREFERRED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY"];
    match name {
        "ssl-mode" => {
            let mode = MODES.into_iter().find(|mode| mode.eq_ignore_ascii_case(value));
            let accepted = "DISABLED, PREFERRED, REQUIRED, VERIFY_CA or VERIFY_IDENTITY";
            settings.tls = Some(mode.ok_or(ParameterError::Value(accepted))?);
            Ok(())
        }
        "ssl-ca" => authority(settings, "ssl-ca", value),
        "ssl-cert" => file(settings, "ssl-cert", value),
        "ssl-key" => file(settings, "ssl-key", value),
        "charset" => charset(value),
        "collation" => collation(settings, value),
        "socket" => socket(settings, value),
        _ => Err(ParameterError::Unknown),
    }
}

fn postgres(settings: &mut Settings, name: &str, value: &str) -> Result<(), ParameterError> {
    const MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];
    match name {
        "sslmode" => {
            let accepted = "disable, allow, prefer, require, verify-ca or verify-full";
            let mode = MODES.into_iter().find(|mode| *mode == value);
            settings.tls = Some(mode.ok_or(ParameterError::Value(accepted))?);
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
            settings.sqlx_parameters.push(("application_name", value.to_owned()));
            Ok(())
        }
        "host" => socket(settings, value),
        _ => Err(ParameterError::Unknown),
    }
}

/// Accepts utf8mb4 alone: other character sets of MySQL do not cover Unicode.
fn charset(value: &str) -> Result<(), ParameterError> {
    // sqlx's default, so that nothing is passed on.
    let is_listed = value.split(',').any(|charset| charset.trim() == "utf8mb4");
    is_listed.then_some(()).ok_or(ParameterError::Value("utf8mb4 or a list with it: texts are any Unicode"))
}

fn collation(settings: &mut Settings, value: &str) -> Result<(), ParameterError> {
    let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    // sqlx inserts it into a statement without quoting.
    if !value.starts_with("utf8mb4_") || !value.bytes().all(is_name) {
        return Err(ParameterError::Value("a collation of utf8mb4, such as utf8mb4_bin, in lower case"));
    }
    settings.sqlx_parameters.push(("collation", value.to_owned()));
    Ok(())
}

fn authority(settings: &mut Settings, name: &'static str, value: &str) -> Result<(), ParameterError> {
    settings.has_authority = true;
    file(settings, name, value)
}

fn file(settings: &mut Settings, name: &'static str, value: &str) -> Result<(), ParameterError> {
    if value.is_empty() {
        return Err(ParameterError::Value("the path of a PEM file"));
    }
    settings.sqlx_parameters.push((name, value.to_owned()));
    Ok(())
}

fn socket(settings: &mut Settings, value: &str) -> Result<(), ParameterError> {
    if !value.starts_with('/') {
        return Err(ParameterError::Value("the absolute path of a socket"));
    }
    settings.socket = Some(value.to_owned());
    Ok(())
}

/// A time limit; zero selects the default.
fn limit(duration: Option<Duration>, accepted: &'static str) -> Result<Option<Duration>, ParameterError> {
    let duration = duration.ok_or(ParameterError::Value(accepted))?;
    Ok((!duration.is_zero()).then_some(duration))
}
