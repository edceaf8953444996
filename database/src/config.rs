//! Which database a service was given, read from its environment.

use chassis::env::{Reader, Secrecy};

use crate::{Driver, Target};

impl Target {
    /// Reads `DB_DRIVER` and `DATA_SOURCE_URL`. The URL may hold a password, and is never shown.
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let driver: Option<Driver> = reader.required("DB_DRIVER", Driver::ACCEPTED);
        let url: Option<String> =
            reader.required_with("DATA_SOURCE_URL", "a URL", Secrecy::Secret, |text| Some(text.to_owned()));
        match Self::of(driver?, &url?) {
            Ok(target) => Some(target),
            Err(error) => {
                let name = if error.is_about_driver() { "DB_DRIVER" } else { "DATA_SOURCE_URL" };
                reader.fault(format!("{name} environment variable is invalid: {error}."));
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use chassis::env::Vars;

    use super::*;

    fn faults(driver: &str, url: &str) -> String {
        let vars = Vars::from_iter([("DB_DRIVER", driver), ("DATA_SOURCE_URL", url)]);
        let mut reader = Reader::new(&vars);
        let target = Target::read(&mut reader);
        reader.finish(target).map_or_else(|errors| errors.to_string(), |_| String::new())
    }

    #[test]
    fn each_variable_that_is_wrong_has_its_own_line() {
        assert_eq!(faults("sqlite", "sqlite:///x.db"), "");
        assert_eq!(
            faults("oracle", ""),
            "DB_DRIVER environment variable is invalid: found \"oracle\"; accepted: sqlite, mysql or postgres.\n\
             DATA_SOURCE_URL environment variable is missing."
        );
        assert!(
            faults("mysql", "root:hunter2@tcp(a:1)/b")
                .starts_with("DB_DRIVER environment variable is invalid")
        );
        let url = faults("sqlite", "root:hunter2@tcp(a:1)/b");
        assert!(
            url.starts_with("DATA_SOURCE_URL environment variable is invalid") && !url.contains("hunter2")
        );
    }
}
