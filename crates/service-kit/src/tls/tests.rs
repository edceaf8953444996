//! The variables, with files made for the purpose.

use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

use super::*;
use crate::env::{EnvErrors, Vars};

/// An authority, a certificate of it, and its key.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let names = vec!["order.internal".to_owned()];
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
        place.write("ca.pem", &authority.pem());
        place.write("cert.pem", &certificate.pem());
        place.write("key.pem", &key.serialize_pem());
        place
    }

    fn write(&self, file: &str, text: &str) {
        std::fs::write(self.path(file), text).unwrap();
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    /// What a process in `mode` at `address` reads, where the values that name a file of this place are
    /// written without its directory.
    fn read(
        &self,
        role: TlsRole,
        mode: Mode,
        address: &str,
        vars: &[(&str, &str)],
    ) -> Result<Config, EnvErrors> {
        let full = vars.iter().map(|(name, value)| {
            let file = self.path(value);
            (*name, if value.ends_with(".pem") { file.display().to_string() } else { (*value).to_owned() })
        });
        let vars = Vars::from_iter(full);
        let mut reader = Reader::new(&vars);
        let process = Process { service_address: address.parse().unwrap(), ..Process::on_loopback(mode) };
        let config = Config::read(&mut reader, Some(&process), role);
        reader.finish(config)
    }

    fn faults(&self, role: TlsRole, vars: &[(&str, &str)]) -> String {
        self.read(role, Mode::Production, "127.0.0.1:1", vars).unwrap_err().to_string()
    }
}

const IDENTITY: [(&str, &str); 2] = [("TLS_CERT_FILE", "cert.pem"), ("TLS_KEY_FILE", "key.pem")];
const AUTHORITY: (&str, &str) = ("TLS_CA_FILE", "ca.pem");
const ALL: [(&str, &str); 4] =
    [IDENTITY[0], IDENTITY[1], AUTHORITY, ("TLS_CLIENTS", "order.internal, spiffe://a/b")];

#[test]
fn each_part_reads_its_half() {
    let place = Place::new();
    for (role, vars, client, server) in [
        (TlsRole::Both, &ALL[..], true, true),
        (TlsRole::Server, &ALL, false, true),
        (TlsRole::Client, &ALL, true, false),
        (TlsRole::Client, &[AUTHORITY], true, false),
        (TlsRole::Both, &[AUTHORITY], true, false),
        (TlsRole::Server, &IDENTITY, false, true),
        (TlsRole::Both, &[], false, false),
    ] {
        let config = place.read(role, Mode::Production, "127.0.0.1:1", vars).unwrap();
        assert_eq!(
            (config.client.is_some(), config.server.is_some(), config.waived),
            (client, server, false),
            "{role:?} {vars:?}"
        );
    }
}

#[test]
fn one_file_without_the_other_is_a_fault() {
    let place = Place::new();
    for (given, missing) in [(IDENTITY[0], "TLS_KEY_FILE"), (IDENTITY[1], "TLS_CERT_FILE")] {
        assert_eq!(
            place.faults(TlsRole::Both, &[given]),
            format!("{missing} environment variable is missing: {} means nothing without it.", given.0)
        );
    }
}

#[test]
fn whoever_names_callers_must_be_able_to_tell_them() {
    let place = Place::new();
    let clients = ("TLS_CLIENTS", "order.internal");
    for vars in [&[clients][..], &[clients, AUTHORITY], &[clients, IDENTITY[0], IDENTITY[1]]] {
        let fault = place.faults(TlsRole::Server, vars);
        assert!(fault.starts_with("TLS_CLIENTS environment variable is invalid: without "), "{fault}");
    }
    let fault = place.faults(TlsRole::Server, &[AUTHORITY]);
    assert!(
        fault.starts_with("TLS_CA_FILE environment variable is invalid: without TLS_CERT_FILE"),
        "{fault}"
    );
}

#[test]
fn every_fault_is_told_once_and_under_its_variable() {
    let place = Place::new();
    place.write("ca.pem", "");
    place.write("key.pem", "");
    let faults = place.faults(TlsRole::Both, &ALL);
    let path = |file: &str| place.path(file).display().to_string();
    assert_eq!(
        faults,
        format!(
            "TLS_CA_FILE environment variable is invalid: {}: there is no certificate in it.\n\
             TLS_KEY_FILE environment variable is invalid: {}: there is no private key (PKCS#8, PKCS#1 or SEC1, \
             not encrypted) in it.",
            path("ca.pem"),
            path("key.pem")
        )
    );
}

#[test]
fn what_is_no_name_or_no_waiver_is_shown_with_what_is_accepted() {
    let place = Place::new();
    let faults = place.faults(TlsRole::Server, &[("TLS", "off"), ("TLS_CLIENTS", "a,,b")]);
    assert_eq!(
        faults,
        "TLS environment variable is invalid: found \"off\"; accepted: none.\n\
         TLS_CLIENTS environment variable is invalid: found \"a,,b\"; accepted: a comma list, of each a DNS name \
         or a URI, spiffe://example.org/billing for instance."
    );
}

#[test]
fn production_is_called_in_plain_text_off_loopback_only_where_that_was_asked_for() {
    let place = Place::new();
    for role in [TlsRole::Server, TlsRole::Both] {
        for address in ["0.0.0.0:3001", "10.0.0.1:3001", "[::]:3001", "[::ffff:10.0.0.1]:3001"] {
            let refused = place.read(role, Mode::Production, address, &[]).unwrap_err().to_string();
            assert_eq!(
                refused,
                format!(
                    "TLS_CERT_FILE environment variable is missing: production is not called off loopback, at \
                     {address}, in plain text; accepted: a PEM file with a certificate, or TLS=none, or a loopback \
                     BIND_ADDRESS."
                )
            );
            let waived = place.read(role, Mode::Production, address, &[("TLS", "none")]).unwrap();
            assert!(waived.waived && waived.server.is_none());
            let secured = place.read(role, Mode::Production, address, &IDENTITY).unwrap();
            assert!(!secured.waived && secured.server.is_some());
            assert!(place.read(role, Mode::Development, address, &[]).is_ok());
        }
        for address in ["127.0.0.1:3001", "127.1.2.3:3001", "[::1]:3001", "[::ffff:127.0.0.1]:3001"] {
            assert!(place.read(role, Mode::Production, address, &[]).is_ok(), "{address}");
        }
    }
    // Its listener is the public's, and not between services.
    assert!(place.read(TlsRole::Client, Mode::Production, "0.0.0.0:8080", &[]).is_ok());
}

#[test]
fn production_calls_in_plain_text_off_loopback_only_where_that_was_asked_for() {
    let place = Place::new();
    let demanded = |mode, vars: &[(&str, &str)], plaintext_off_loopback| {
        let config = place.read(TlsRole::Client, mode, "127.0.0.1:1", vars).unwrap();
        let vars = Vars::default();
        let mut reader = Reader::new(&vars);
        config.require_tls(&mut reader, mode, "PAYMENT_SERVICE_URL", plaintext_off_loopback);
        reader.finish(Some(())).map_err(|errors| errors.to_string())
    };
    assert_eq!(
        demanded(Mode::Production, &[], true).unwrap_err(),
        "PAYMENT_SERVICE_URL environment variable is invalid: production calls nobody off loopback in plain text; \
         accepted: an https address, one without a scheme and TLS_CA_FILE, or TLS=none."
    );
    assert!(demanded(Mode::Production, &[], false).is_ok());
    assert!(demanded(Mode::Production, &[("TLS", "none")], true).is_ok());
    assert!(demanded(Mode::Development, &[], true).is_ok());
}
