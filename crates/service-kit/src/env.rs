//! Configuration from environment variables: read once at start, all faults reported together.
//!
//! Each variable is a [`Variable`] in the module that reads it. A service lists its variables ([`Declared`])
//! and reads them through a [`Reader`] over that list. [`Reader::finish`] returns one error with a line per
//! fault. Tests pass a map ([`Vars`] collects from pairs) and never touch the environment of the process.
//!
//! A file may hold a secret `NAME`: the variable `NAME_FILE` holds its path. Container platforms mount
//! secrets as files, which a list of the environment does not show.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt::{self, Display},
    str::FromStr,
};

mod file;
mod unknown;
mod variable;

pub use unknown::UnknownVariable;
pub use variable::{Declared, Kind, Variable, WhenAbsent, help};

/// The environment variables of a process.
#[derive(Clone, Default)]
pub struct Vars(BTreeMap<String, String>);

impl Vars {
    /// The variables of this process. A value that is not Unicode keeps a replacement character for each
    /// undecodable byte.
    #[allow(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn from_process() -> Self {
        let text = |os: std::ffi::OsString| os.to_string_lossy().into_owned();
        std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect()
    }

    /// The value of `variable`; `None` where it is absent or empty. Compose files and shells make an unset
    /// variable empty.
    pub fn get(&self, variable: &Variable) -> Option<&str> {
        self.named(variable.name)
    }

    /// The pairs of name and value of `variable` and, for a secret, of its `_FILE` form.
    pub fn pairs(&self, variable: &Variable) -> impl Iterator<Item = (String, String)> {
        variable.names().filter_map(|name| self.named(&name).map(str::to_owned).map(|value| (name, value)))
    }

    /// Whether `variable` or its `_FILE` form is set under its name after `prefix`.
    pub fn is_set_with_prefix(&self, prefix: &str, variable: &Variable) -> bool {
        variable.names().any(|name| self.named(&format!("{prefix}{name}")).is_some())
    }

    fn named(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Vars {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

/// All faults of an environment. `Display` writes one line per fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct EnvErrors(Vec<String>);

impl EnvErrors {
    /// The faults of several configurations as one error.
    pub fn all(errors: impl IntoIterator<Item = Self>) -> Self {
        Self(errors.into_iter().flat_map(|errors| errors.0).collect())
    }
}

impl fmt::Display for EnvErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

/// Reads declared variables one by one and collects the faults.
///
/// `value…` methods return `None` where the variable is absent without a default, and where a fault was
/// recorded. `optional…` methods tell these two apart: the outer `None` is a fault.
pub struct Reader<'a> {
    vars: &'a Vars,
    declared: &'a Declared<'a>,
    prefix: &'static str,
    errors: Vec<String>,
    /// Faults of variables that are ignored instead.
    warnings: Vec<String>,
    /// Whether [`lenient`](Self::lenient) is reading.
    is_lenient: bool,
    /// Names of secrets whose values came from files.
    from_files: Vec<&'static str>,
}

impl<'a> Reader<'a> {
    /// A reader of the `declared` variables in `vars`, without faults so far.
    pub fn new(vars: &'a Vars, declared: &'a Declared<'a>) -> Self {
        Self::with_prefix(vars, declared, "")
    }

    /// A reader that looks each variable up by its name after `prefix`: for a program with two databases.
    pub fn with_prefix(vars: &'a Vars, declared: &'a Declared<'a>, prefix: &'static str) -> Self {
        Self {
            vars,
            declared,
            prefix,
            errors: Vec::new(),
            warnings: Vec::new(),
            is_lenient: false,
            from_files: Vec::new(),
        }
    }

    /// Parses the value, or the default.
    pub fn value<T: FromStr>(&mut self, variable: &Variable) -> Option<T> {
        self.value_with(variable, |text| text.parse().ok())
    }

    /// As [`value`](Self::value), with `parse` instead of [`FromStr`].
    pub fn value_with<T>(&mut self, variable: &Variable, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let text = self.text(variable)?;
        let parsed = parse(&text);
        if parsed.is_none() {
            // A URL with a password may be in any variable by mistake.
            let found = if variable.is_secret() || text.contains('@') {
                "a value that is not shown".to_owned()
            } else {
                format!("{text:?}")
            };
            self.fault(variable, &format!("found {found}; accepted: {}", variable.kind));
        } else if let Some(what) = self.white_space(variable, &text) {
            self.fault(variable, what);
            return None;
        }
        parsed
    }

    /// As [`value`](Self::value); the error line ends with the parser's error.
    pub fn value_explained<T: FromStr<Err: Display>>(&mut self, variable: &Variable) -> Option<T> {
        let mut reason = None;
        let value = self.value_with(variable, |text| {
            text.parse().map_err(|error: T::Err| reason = Some(error.to_string())).ok()
        });
        if let (Some(reason), Some(error)) = (reason, self.errors.last_mut()) {
            error.push_str(&format!(" {reason}."));
        }
        value
    }

    /// The number, or the default, within the bounds of [`Kind::Number`].
    pub fn number<T: TryFrom<u64>>(&mut self, variable: &Variable) -> Option<T> {
        self.value_with(variable, |text| in_bounds(variable, text))
    }

    /// As [`value`](Self::value); `None` is a fault, `Some(None)` an absent variable.
    pub fn optional<T: FromStr>(&mut self, variable: &Variable) -> Option<Option<T>> {
        self.optional_with(variable, |text| text.parse().ok())
    }

    /// As [`number`](Self::number); `None` is a fault, `Some(None)` an absent variable.
    pub fn optional_number<T: TryFrom<u64>>(&mut self, variable: &Variable) -> Option<Option<T>> {
        self.optional_with(variable, |text| in_bounds(variable, text))
    }

    /// As [`optional`](Self::optional), with `parse` instead of [`FromStr`].
    pub fn optional_with<T>(
        &mut self,
        variable: &Variable,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<Option<T>> {
        let faults = self.errors.len();
        let value = self.value_with(variable, parse);
        (self.errors.len() == faults).then_some(value)
    }

    /// The output of `read`. Its faults become warnings that end with `consequence`; `None` where it recorded
    /// one.
    pub fn lenient<T>(&mut self, consequence: &str, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let faults = self.errors.len();
        self.is_lenient = true;
        let value = read(self);
        self.is_lenient = false;
        let ignored = self.errors.split_off(faults);
        let value = if ignored.is_empty() { value } else { None };
        self.warnings.extend(ignored.into_iter().map(|fault| format!("{fault} {consequence}.")));
        value
    }

    /// The warnings so far, one line each.
    pub fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    /// Whether the variable, or its `_FILE` form, is set and not empty.
    pub fn is_set(&self, variable: &Variable) -> bool {
        self.vars.is_set_with_prefix(self.prefix, variable)
    }

    /// Records a fault that the parser of the variable alone cannot find.
    pub fn fault(&mut self, variable: &Variable, what: &str) {
        let name = match variable.file_name() {
            Some(file) if self.from_files.contains(&variable.name) => file,
            _ => variable.name.to_owned(),
        };
        self.invalid(&name, what);
    }

    /// Records that other variables, or the mode, require the variable.
    pub fn missing(&mut self, variable: &Variable, why: &str) {
        self.errors.push(format!("{}{} environment variable is missing: {why}.", self.prefix, variable.name));
    }

    /// Returns `built`, the configuration that was made of the values.
    ///
    /// # Errors
    ///
    /// All faults. `built` may be `None` only where a fault was recorded.
    pub fn finish<T>(self, built: Option<T>) -> Result<T, EnvErrors> {
        match built {
            Some(config) if self.errors.is_empty() => Ok(config),
            _ => Err(EnvErrors(self.errors)),
        }
    }

    /// What is wrong with the white space in the value, which an editor, a shell or YAML adds unseen. A secret
    /// or a name would differ from the peer's, and a path would name another file. JSON and ignored variables
    /// are exempt.
    fn white_space(&self, variable: &Variable, text: &str) -> Option<&'static str> {
        if self.is_lenient || text.trim_start().starts_with(['{', '[']) {
            return None;
        }
        if text.trim() != text {
            return Some("it begins or ends with white space; accepted: the value without it");
        }
        let breaks = variable.is_secret() && text.contains(char::is_control);
        breaks.then_some("it holds a line break or another control character; accepted: one line")
    }

    /// The value from the environment or from the file of a secret, or the default. `None` where the variable
    /// is absent without a default, and where a fault was recorded.
    fn text(&mut self, variable: &Variable) -> Option<Cow<'a, str>> {
        debug_assert!(
            self.declared.iter().copied().flatten().any(|declared| declared.name == variable.name),
            "{} is missing in the list of declared variables",
            variable.name
        );
        let set = self.raw(variable.name).map(Cow::Borrowed);
        let file = variable.file_name().and_then(|name| self.raw(&name).map(|path| (name, path)));
        match (set, file) {
            (None, None) => {
                if variable.when_absent == WhenAbsent::Required {
                    let name = variable.name;
                    self.errors.push(format!("{}{name} environment variable is missing.", self.prefix));
                }
                variable.when_absent.default_text().map(Cow::Owned)
            }
            (Some(text), None) => Some(text),
            (Some(_), Some((name, _))) => {
                self.invalid(
                    &name,
                    &format!("{}{} is set too; accepted: one of them", self.prefix, variable.name),
                );
                None
            }
            (None, Some((name, path))) => match file::read(path) {
                Ok(text) => {
                    self.from_files.push(variable.name);
                    Some(Cow::Owned(text))
                }
                Err(why) => {
                    self.invalid(&name, &why);
                    None
                }
            },
        }
    }

    fn invalid(&mut self, name: &str, what: &str) {
        self.errors.push(format!("{}{name} environment variable is invalid: {what}.", self.prefix));
    }

    fn raw(&self, name: &str) -> Option<&'a str> {
        self.vars.named(&format!("{}{name}", self.prefix))
    }
}

fn in_bounds<T: TryFrom<u64>>(variable: &Variable, text: &str) -> Option<T> {
    let number: u64 = text.parse().ok()?;
    match variable.kind {
        Kind::Number { from, to, .. } if !(from..=to).contains(&number) => None,
        _ => T::try_from(number).ok(),
    }
}

/// How the process runs (`ENV`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// gRPC reflection on, readable logs, bound to loopback by default.
    Development,
    /// gRPC reflection off, logs as JSON lines, bound to all addresses by default.
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

/// A text that is not a [`Mode`].
#[derive(Debug, thiserror::Error)]
#[error("neither development nor production")]
pub struct UnknownMode;

#[cfg(test)]
mod tests;
