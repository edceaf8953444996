//! The certificate of the public listener.
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `PUBLIC_TLS_CERT_FILE`, `PUBLIC_TLS_KEY_FILE` | certificate and key of the public listener | none: plain HTTP |

use std::path::PathBuf;

use grpc_client::tls::{FileRole, Identity, ServerTls};
use service_kit::env::Reader;

const CERTIFICATE: &str = "PUBLIC_TLS_CERT_FILE";
const KEY: &str = "PUBLIC_TLS_KEY_FILE";

/// Reads both files. `None` for plain HTTP, and where a fault was recorded with `reader`.
pub(crate) fn read(reader: &mut Reader<'_>) -> Option<ServerTls> {
    let mut file = |name| reader.optional::<PathBuf>(name, "the path of a PEM file");
    let identity = match (file(CERTIFICATE), file(KEY)) {
        (Some(certificate), Some(key)) => Identity { certificate, key },
        (None, None) => return None,
        (Some(_), None) => {
            reader.missing(KEY, &format!("{CERTIFICATE} means nothing without it"));
            return None;
        }
        (None, Some(_)) => {
            reader.missing(CERTIFICATE, &format!("{KEY} means nothing without it"));
            return None;
        }
    };
    let error = match ServerTls::load_public(identity) {
        Ok(tls) => return Some(tls),
        Err(error) => error,
    };
    for fault in error.faults() {
        let name = if fault.role() == FileRole::Key { KEY } else { CERTIFICATE };
        reader.fault(name, &fault.to_string());
    }
    None
}

#[cfg(test)]
mod tests {
    use service_kit::env::Vars;

    use super::*;

    fn faults(vars: &[(&str, &str)]) -> String {
        let vars: Vars = vars.iter().copied().collect();
        let mut reader = Reader::new(&vars);
        let tls = read(&mut reader);
        assert!(tls.is_none());
        reader.finish(Some(())).map_or_else(|errors| errors.to_string(), |()| String::new())
    }

    #[test]
    fn without_variables_the_listener_is_plain_http() {
        assert_eq!(faults(&[]), "");
    }

    #[test]
    fn a_certificate_without_its_key_and_an_unreadable_file_are_rejected() {
        for (set, missing) in [(CERTIFICATE, KEY), (KEY, CERTIFICATE)] {
            let errors = faults(&[(set, "/nowhere")]);
            assert_eq!(
                errors,
                format!("{missing} environment variable is missing: {set} means nothing without it.")
            );
        }
        let errors = faults(&[(CERTIFICATE, "/nowhere.pem"), (KEY, "/nowhere.key")]);
        assert!(
            errors.contains(CERTIFICATE) && errors.contains(KEY) && errors.lines().count() == 2,
            "{errors}"
        );
    }
}
