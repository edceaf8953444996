//! The declaration of an environment variable.
//!
//! One declaration is the source of the parser's bounds and error texts ([`Reader`](super::Reader)), of a
//! service's `--help` ([`help`]), of docs/operate/configuration.md, and of the names that count as known
//! ([`Vars::unknown`](super::Vars::unknown)).

use std::fmt::{self, Write as _};

/// An environment variable that a service reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    /// The name, `DB_DRIVER` for instance.
    pub name: &'static str,
    /// The values that the service accepts.
    pub kind: Kind,
    /// What applies where the variable is absent or empty.
    pub when_absent: WhenAbsent,
    /// One sentence: what the value decides.
    pub meaning: &'static str,
}

/// The variables of a service, in groups: those of the process, of its database, and so on.
pub type Declared<'a> = [&'a [&'a Variable]];

/// The values that a variable accepts. `Display` completes the sentence "accepted: …".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A text that the description describes. Errors show the value.
    Text(&'static str),
    /// A text that no error shows. A file may hold it instead: the variable `NAME_FILE` holds the path.
    Secret(&'static str),
    /// A whole number, bounds included.
    Number {
        /// The least value.
        from: u64,
        /// The greatest value.
        to: u64,
        /// The unit, `seconds` for instance; empty for a count.
        unit: &'static str,
    },
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(accepted) | Self::Secret(accepted) => f.write_str(accepted),
            Self::Number { from, to, unit: "" } => write!(f, "a whole number from {from} to {to}"),
            Self::Number { from, to, unit } => write!(f, "a whole number of {unit} from {from} to {to}"),
        }
    }
}

/// What applies where a variable is absent or empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenAbsent {
    /// The service does not start.
    Required,
    /// The parser reads this text instead.
    Default(&'static str),
    /// The parser reads this number instead.
    DefaultNumber(u64),
    /// The service behaves as described.
    Means(&'static str),
}

impl WhenAbsent {
    /// The text that the parser reads instead of a value.
    pub(super) fn default_text(self) -> Option<String> {
        match self {
            Self::Default(text) => Some(text.to_owned()),
            Self::DefaultNumber(number) => Some(number.to_string()),
            Self::Required | Self::Means(_) => None,
        }
    }
}

impl fmt::Display for WhenAbsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Required => f.write_str("required"),
            Self::Default(text) | Self::Means(text) => f.write_str(text),
            Self::DefaultNumber(number) => write!(f, "{number}"),
        }
    }
}

impl Variable {
    /// Whether errors and logs must not show the value.
    pub fn is_secret(&self) -> bool {
        matches!(self.kind, Kind::Secret(_))
    }

    /// The variable that holds the path of a secret's file.
    pub fn file_name(&self) -> Option<String> {
        self.is_secret().then(|| format!("{}_FILE", self.name))
    }

    /// The name, and for a secret `NAME_FILE`.
    pub fn names(&self) -> impl Iterator<Item = String> {
        std::iter::once(self.name.to_owned()).chain(self.file_name())
    }
}

/// The section "Environment variables" of a command line's `--help`.
pub fn help(declared: &Declared<'_>) -> String {
    let mut text = "Environment variables:\n".to_owned();
    for variable in declared.iter().copied().flatten() {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "  {}", variable.names().collect::<Vec<_>>().join(", "));
        let _ = writeln!(text, "          {}", variable.meaning);
        let _ = writeln!(text, "          Accepted: {}", variable.kind);
        let _ = match variable.when_absent {
            WhenAbsent::Required => writeln!(text, "          Required"),
            default => writeln!(text, "          Default: {default}"),
        };
    }
    text.push_str("\nA variable NAME_FILE holds the path of a file that holds the secret NAME.");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_lists_name_meaning_accepted_values_and_default() {
        const KEY: Variable = Variable {
            name: "KEY",
            kind: Kind::Secret("a text"),
            when_absent: WhenAbsent::Required,
            meaning: "The key.",
        };
        const WAIT: Variable = Variable {
            name: "WAIT",
            kind: Kind::Number { from: 0, to: 60, unit: "seconds" },
            when_absent: WhenAbsent::DefaultNumber(30),
            meaning: "How long it waits.",
        };
        let text = help(&[&[&KEY], &[&WAIT]]);
        let expected = "Environment variables:\n  KEY, KEY_FILE\n          The key.\n          \
                        Accepted: a text\n          Required\n  WAIT\n          How long it waits.\n          \
                        Accepted: a whole number of seconds from 0 to 60\n          Default: 30\n";
        assert!(text.starts_with(expected), "{text}");
    }
}
