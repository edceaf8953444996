//! A secret in a file, as container platforms mount it.

use std::{fs::File, io::Read};

/// The longest secret, in bytes. The path may name an endless file, `/dev/zero` for instance.
const BYTES_MAX: usize = 65_536;

/// Reads the secret in the file at `path`, without one newline at its end.
///
/// # Errors
///
/// The reason, which shows nothing of the content.
pub(super) fn read(path: &str) -> Result<String, String> {
    // The variable may hold the secret itself by mistake.
    let shown = if path.starts_with(['/', '.']) {
        format!("{path:?}")
    } else {
        "a path that is not shown".to_owned()
    };
    let mut bytes = Vec::new();
    let bound = u64::try_from(BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path)
        .and_then(|file| file.take(bound).read_to_end(&mut bytes))
        .map_err(|error| format!("cannot read {shown}: {error}"))?;
    if bytes.len() > BYTES_MAX {
        return Err(format!("{shown} is longer than {BYTES_MAX} bytes"));
    }
    let text = String::from_utf8(bytes).map_err(|_| format!("{shown} is not UTF-8"))?;
    let line = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    if line.is_empty() { Err(format!("{shown} is empty")) } else { Ok(line.to_owned()) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::env::{EnvErrors, Kind, Reader, Variable, Vars, WhenAbsent};

    const KEY: Variable = Variable {
        name: "KEY",
        kind: Kind::Secret("a number"),
        when_absent: WhenAbsent::Required,
        meaning: "A secret.",
    };
    const PUBLIC: Variable = Variable {
        name: "PUBLIC",
        kind: Kind::Text("a number"),
        when_absent: WhenAbsent::Means("none"),
        ..KEY
    };

    /// Reads `A_KEY` and `A_PUBLIC`; returns the value of `A_KEY`.
    fn key(vars: &[(&str, &str)]) -> Result<u16, EnvErrors> {
        let vars = Vars::from_iter(vars.iter().copied());
        let mut reader = Reader::with_prefix(&vars, &[&[&KEY, &PUBLIC]], "A_");
        let key = reader.value(&KEY);
        reader.value::<u16>(&PUBLIC);
        reader.finish(key)
    }

    fn fault(vars: &[(&str, &str)]) -> String {
        key(vars).unwrap_err().to_string()
    }

    #[test]
    fn a_secret_in_a_file_loses_one_newline_at_its_end() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        for text in ["7", "7\n", "7\r\n"] {
            fs::write(path, text).unwrap();
            assert_eq!(key(&[("A_KEY_FILE", path)]), Ok(7), "{text:?}");
        }
        // Editors add one newline. A second one belongs to the secret.
        fs::write(path, "7\n\n").unwrap();
        assert!(fault(&[("A_KEY_FILE", path)]).starts_with("A_KEY_FILE environment variable is invalid: "));
    }

    #[test]
    fn errors_do_not_show_the_content_of_a_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        fs::write(path, "hunter2\n").unwrap();
        assert_eq!(
            fault(&[("A_KEY_FILE", path)]),
            "A_KEY_FILE environment variable is invalid: found a value that is not shown; accepted: a number."
        );
        fs::write(path, b"hunter2\xff").unwrap();
        assert_eq!(
            fault(&[("A_KEY_FILE", path)]),
            format!("A_KEY_FILE environment variable is invalid: {path:?} is not UTF-8.")
        );
    }

    #[test]
    fn errors_name_a_file_that_cannot_be_used() {
        let empty = tempfile::NamedTempFile::new().unwrap();
        let empty = empty.path().to_str().unwrap();
        for (path, why) in [
            ("/nowhere/at/all", "cannot read \"/nowhere/at/all\": No such file or directory (os error 2)"),
            (
                "root:hunter2@host",
                "cannot read a path that is not shown: No such file or directory (os error 2)",
            ),
            ("/dev/zero", "\"/dev/zero\" is longer than 65536 bytes"),
            (empty, &format!("{empty:?} is empty")),
        ] {
            let expected = format!("A_KEY_FILE environment variable is invalid: {why}.");
            assert_eq!(fault(&[("A_KEY_FILE", path)]), expected);
        }
    }

    #[test]
    fn a_secret_in_both_places_is_a_fault() {
        let expected = "A_KEY_FILE environment variable is invalid: A_KEY is set too; accepted: one of them.";
        assert_eq!(fault(&[("A_KEY", "7"), ("A_KEY_FILE", "/nowhere")]), expected);
        assert_eq!(fault(&[]), "A_KEY environment variable is missing.");
        // An empty variable counts as absent.
        assert_eq!(key(&[("A_KEY", "7"), ("A_KEY_FILE", "")]), Ok(7));
    }

    #[test]
    fn only_secrets_have_a_file_form() {
        assert_eq!(key(&[("A_KEY", "7"), ("A_PUBLIC_FILE", "/nowhere")]), Ok(7));
    }
}
