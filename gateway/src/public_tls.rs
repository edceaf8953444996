//! The certificate of the public listener, configured by environment variables ([`VARIABLES`]).

use std::path::PathBuf;

use grpc_client::tls::{FileRole, Identity, ServerTls};
use service_kit::env::{Kind, Reader, Variable, WhenAbsent};

const CERT_FILE: Variable = Variable {
    name: "PUBLIC_TLS_CERT_FILE",
    kind: Kind::Text("the path of a PEM file"),
    when_absent: WhenAbsent::Means("plain HTTP"),
    meaning: "Certificate chain of the public listener, which then accepts HTTPS only; requires \
              PUBLIC_TLS_KEY_FILE.",
};
const KEY_FILE: Variable = Variable {
    name: "PUBLIC_TLS_KEY_FILE",
    kind: Kind::Text("the path of a PEM file"),
    when_absent: WhenAbsent::Means("plain HTTP"),
    meaning: "Private key of PUBLIC_TLS_CERT_FILE.",
};

/// The variables of the certificate.
pub(crate) const VARIABLES: &[&Variable] = &[&CERT_FILE, &KEY_FILE];

/// Reads both files. `None` for plain HTTP, and where a fault was recorded in `reader`.
pub(crate) fn read(reader: &mut Reader<'_>) -> Option<ServerTls> {
    let [certificate, key] = [&CERT_FILE, &KEY_FILE].map(|variable| reader.value::<PathBuf>(variable));
    let identity = match (certificate, key) {
        (Some(certificate), Some(key)) => Identity { certificate, key },
        (None, None) => return None,
        (Some(_), None) => {
            reader.missing(&KEY_FILE, "PUBLIC_TLS_CERT_FILE has no effect without it");
            return None;
        }
        (None, Some(_)) => {
            reader.missing(&CERT_FILE, "PUBLIC_TLS_KEY_FILE has no effect without it");
            return None;
        }
    };
    let error = match ServerTls::load_public(identity) {
        Ok(tls) => return Some(tls),
        Err(error) => error,
    };
    for fault in error.faults() {
        let variable = if fault.role() == FileRole::Key { &KEY_FILE } else { &CERT_FILE };
        reader.fault(variable, &fault.to_string());
    }
    None
}

#[cfg(test)]
mod tests {
    use service_kit::env::Vars;

    use super::*;

    const CERTIFICATE: &str = CERT_FILE.name;
    const KEY: &str = KEY_FILE.name;

    fn faults(vars: &[(&str, &str)]) -> String {
        let vars: Vars = vars.iter().copied().collect();
        let mut reader = Reader::new(&vars, &[VARIABLES]);
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
                format!("{missing} environment variable is missing: {set} has no effect without it.")
            );
        }
        let errors = faults(&[(CERTIFICATE, "/nowhere.pem"), (KEY, "/nowhere.key")]);
        assert!(
            errors.contains(CERTIFICATE) && errors.contains(KEY) && errors.lines().count() == 2,
            "{errors}"
        );
    }
}
