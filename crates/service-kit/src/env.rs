//! Configuration from environment variables: read once at start, every fault named at once.
//!
//! A service's `config` module reads its variables through a [`Reader`] and asks it to
//! [`finish`](Reader::finish); what is missing or unparsable is then one error with a line for each.
//! Tests pass a map ([`Vars`] collects from pairs) and never touch the process's environment.
//!
//! A secret `NAME` may stand in a file instead, which `NAME_FILE` names: what container platforms mount, and what
//! nobody sees who lists a process's environment.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt::{self, Display},
    str::FromStr,
};

mod file;

/// The environment variables that a service is configured from.
#[derive(Clone, Default)]
pub struct Vars(BTreeMap<String, String>);

impl Vars {
    /// The variables of this process. A variable whose value is no Unicode counts as unparsable, and is
    /// kept with its undecodable bytes replaced.
    #[allow(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn from_process() -> Self {
        let text = |os: std::ffi::OsString| os.to_string_lossy().into_owned();
        std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect()
    }
}

impl Vars {
    /// The value of `name`; an empty one counts as missing, which is what compose files and shells make of an
    /// unset variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Vars {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

/// Every fault found in the environment, a line each when displayed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct EnvErrors(Vec<String>);

impl EnvErrors {
    /// The faults of several configurations as those of one.
    pub fn all(errors: impl IntoIterator<Item = Self>) -> Self {
        Self(errors.into_iter().flat_map(|errors| errors.0).collect())
    }
}

impl fmt::Display for EnvErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

/// Whether the value of a variable may be repeated in an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrecy {
    /// The value is shown.
    Public,
    /// The value is never shown; the variable's name is. It may stand in a file, which the name with `_FILE` after it
    /// names.
    Secret,
}

/// Reads variables one by one and collects what is wrong with them.
pub struct Reader<'a> {
    vars: &'a Vars,
    prefix: &'static str,
    errors: Vec<String>,
    /// Variables whose values stood in files.
    from_files: Vec<String>,
}

impl<'a> Reader<'a> {
    /// A reader over `vars` that has found no fault yet.
    pub fn new(vars: &'a Vars) -> Self {
        Self::with_prefix(vars, "")
    }

    /// A reader for which every variable is called by its name after `prefix`: for a program that has two of what
    /// others have one of.
    pub fn with_prefix(vars: &'a Vars, prefix: &'static str) -> Self {
        Self { vars, prefix, errors: Vec::new(), from_files: Vec::new() }
    }

    /// A variable that must be there. `accepted` completes the sentence "accepted: …".
    pub fn required<T: FromStr>(&mut self, name: &str, accepted: &str) -> Option<T> {
        self.required_with(name, accepted, Secrecy::Public, |text| text.parse().ok())
    }

    /// As [`required`](Self::required), with a parser of its own.
    pub fn required_with<T>(
        &mut self,
        name: &str,
        accepted: &str,
        secrecy: Secrecy,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let in_file = secrecy == Secrecy::Secret && self.raw(&file::variable(name)).is_some();
        if self.raw(name).is_none() && !in_file {
            self.errors.push(format!("{}{name} environment variable is missing.", self.prefix));
        }
        self.optional_with(name, accepted, secrecy, parse)
    }

    /// As [`required`](Self::required), where the parser's error says which part of the value is at fault.
    pub fn required_in_parts<T: FromStr<Err: Display>>(&mut self, name: &str, accepted: &str) -> Option<T> {
        let mut at_fault = None;
        let value = self.required_with(name, accepted, Secrecy::Public, |text| {
            text.parse().map_err(|error: T::Err| at_fault = Some(error.to_string())).ok()
        });
        if let (Some(at_fault), Some(error)) = (at_fault, self.errors.last_mut()) {
            error.push_str(&format!(" {at_fault}."));
        }
        value
    }

    /// A variable that may be absent.
    pub fn optional<T: FromStr>(&mut self, name: &str, accepted: &str) -> Option<T> {
        self.optional_with(name, accepted, Secrecy::Public, |text| text.parse().ok())
    }

    /// As [`optional`](Self::optional), where a fault and absence are not the same: `None` is a fault.
    pub fn optional_or_fault<T: FromStr>(&mut self, name: &str, accepted: &str) -> Option<Option<T>> {
        self.optional_with_or_fault(name, accepted, Secrecy::Public, |text| text.parse().ok())
    }

    /// The same with a parser of its own.
    pub fn optional_with_or_fault<T>(
        &mut self,
        name: &str,
        accepted: &str,
        secrecy: Secrecy,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<Option<T>> {
        let faults = self.errors.len();
        let value = self.optional_with(name, accepted, secrecy, parse);
        (self.errors.len() == faults).then_some(value)
    }

    /// As [`optional`](Self::optional), with a parser of its own.
    pub fn optional_with<T>(
        &mut self,
        name: &str,
        accepted: &str,
        secrecy: Secrecy,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let value = self.value(name, secrecy)?;
        let parsed = parse(&value);
        if parsed.is_none() {
            let found = match secrecy {
                // A URL with a password may stand in any variable by mistake.
                Secrecy::Public if !value.contains('@') => format!("{value:?}"),
                Secrecy::Public | Secrecy::Secret => "a value that is not shown".to_owned(),
            };
            self.fault(name, &format!("found {found}; accepted: {accepted}"));
        }
        parsed
    }

    /// Records what is wrong with a variable that no parser of its own can see.
    pub fn fault(&mut self, name: &str, what: &str) {
        let in_file = self.from_files.iter().any(|from_file| from_file == name);
        let name = if in_file { Cow::Owned(file::variable(name)) } else { Cow::Borrowed(name) };
        self.errors.push(format!("{}{name} environment variable is invalid: {what}.", self.prefix));
    }

    /// Records that a variable must be there after all, for a reason that its own reading cannot see.
    pub fn missing(&mut self, name: &str, why: &str) {
        self.errors.push(format!("{}{name} environment variable is missing: {why}.", self.prefix));
    }

    /// The configuration that `build` makes of the values read.
    ///
    /// # Errors
    ///
    /// Every fault that was found; `build` yields `None` only where a fault was recorded.
    pub fn finish<T>(self, built: Option<T>) -> Result<T, EnvErrors> {
        match built {
            Some(config) if self.errors.is_empty() => Ok(config),
            _ => Err(EnvErrors(self.errors)),
        }
    }

    /// The value of a variable, be it in the environment or in the file of a secret. `None` where it is absent, or a
    /// fault was recorded.
    fn value(&mut self, name: &str, secrecy: Secrecy) -> Option<Cow<'a, str>> {
        let given = self.raw(name).map(Cow::Borrowed);
        let file = file::variable(name);
        let Some(path) = self.raw(&file).filter(|_| secrecy == Secrecy::Secret) else { return given };
        if given.is_some() {
            self.fault(&file, &format!("{}{name} is set too; accepted: one of them", self.prefix));
            return None;
        }
        match file::read(path) {
            Ok(text) => {
                self.from_files.push(name.to_owned());
                Some(Cow::Owned(text))
            }
            Err(why) => {
                self.fault(&file, &why);
                None
            }
        }
    }

    fn raw(&self, name: &str) -> Option<&'a str> {
        self.vars.get(&format!("{}{name}", self.prefix))
    }
}

/// How the process runs: what it shows, and how much it demands (`ENV`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Reflection on, readable logs, bound to loopback unless told otherwise.
    Development,
    /// Reflection off, logs as JSON lines, bound to every address unless told otherwise.
    Production,
}

impl FromStr for Mode {
    type Err = UnknownMode;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "development" => Ok(Self::Development),
            "production" => Ok(Self::Production),
            _ => Err(UnknownMode),
        }
    }
}

/// A text that names no [`Mode`].
#[derive(Debug, thiserror::Error)]
#[error("neither development nor production")]
pub struct UnknownMode;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(vars: &Vars) -> Result<(u16, u16), EnvErrors> {
        let mut reader = Reader::new(vars);
        let port: Option<u16> = reader.required("PORT", "a port number");
        let key: Option<u16> =
            reader.required_with("KEY", "a number", Secrecy::Secret, |text| text.parse().ok());
        reader.optional::<u16>("EXTRA", "a number");
        reader.finish(port.zip(key))
    }

    #[test]
    fn every_missing_variable_gets_a_line() {
        let errors = read(&Vars::from_iter([("PORT", "")])).unwrap_err().to_string();
        assert_eq!(errors, "PORT environment variable is missing.\nKEY environment variable is missing.");
    }

    #[test]
    fn an_unparsable_value_is_shown_unless_it_is_a_secret() {
        let vars = Vars::from_iter([("PORT", "http"), ("KEY", "hunter2"), ("EXTRA", "x")]);
        let errors = read(&vars).unwrap_err().to_string();
        assert!(
            errors.contains("PORT environment variable is invalid: found \"http\"; accepted: a port number.")
        );
        assert!(errors.contains("KEY environment variable is invalid: found a value that is not shown"));
        assert!(errors.contains("EXTRA") && !errors.contains("hunter2"));
        let errors =
            read(&Vars::from_iter([("PORT", "http://user:hunter2@host:1"), ("KEY", "2")])).unwrap_err();
        assert!(!errors.to_string().contains("hunter2"));
    }

    #[test]
    fn a_complete_environment_is_read() {
        assert_eq!(read(&Vars::from_iter([("PORT", "1"), ("KEY", "2")])), Ok((1, 2)));
    }
}
