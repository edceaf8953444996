//! Tests of the variables, with temporary files.

use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

use super::*;
use crate::env::{EnvErrors, Vars};

/// A directory with an authority, a certificate that it signed, and the key of the certificate.
struct Directory(TempDir);

impl Directory {
    fn new() -> Self {
        let directory = Self(tempfile::tempdir().unwrap());
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let names = vec!["order.internal".to_owned()];
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
        directory.write("ca.pem", &authority.pem());
        directory.write("cert.pem", &certificate.pem());
        directory.write("key.pem", &key.serialize_pem());
        directory
    }

    fn write(&self, file: &str, text: &str) {
        std::fs::write(self.path(file), text).unwrap();
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    /// Reads the configuration of a process in `mode` at `address`. A value that ends with `.pem` is a file
    /// of this directory.
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
        let mut reader = Reader::new(&vars, &[VARIABLES]);
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
/// A variable of an upstream.
const URL: Variable = crate::upstream::url("PAYMENT_SERVICE_URL", "");
const ALL: [(&str, &str); 4] =
    [IDENTITY[0], IDENTITY[1], AUTHORITY, ("TLS_CLIENTS", "order.internal, spiffe://a/b")];

#[test]
fn each_role_reads_its_variables() {
    let directory = Directory::new();
    for (role, vars, client, server) in [
        (TlsRole::Both, &ALL[..], true, true),
        (TlsRole::Server, &ALL, false, true),
        (TlsRole::Client, &ALL, true, false),
        (TlsRole::Client, &[AUTHORITY], true, false),
        (TlsRole::Both, &[AUTHORITY], true, false),
        (TlsRole::Server, &IDENTITY, false, true),
        (TlsRole::Both, &[], false, false),
    ] {
        let config = directory.read(role, Mode::Production, "127.0.0.1:1", vars).unwrap();
        assert_eq!(
            (config.client.is_some(), config.server.is_some(), config.opted_out),
            (client, server, false),
            "{role:?} {vars:?}"
        );
    }
}

#[test]
fn certificate_and_key_require_each_other() {
    let directory = Directory::new();
    for (set, missing) in [(IDENTITY[0], "TLS_KEY_FILE"), (IDENTITY[1], "TLS_CERT_FILE")] {
        assert_eq!(
            directory.faults(TlsRole::Both, &[set]),
            format!("{missing} environment variable is missing: {} has no effect without it.", set.0)
        );
    }
}

#[test]
fn client_names_and_authorities_require_a_certificate() {
    let directory = Directory::new();
    let clients = ("TLS_CLIENTS", "order.internal");
    for vars in [&[clients][..], &[clients, AUTHORITY], &[clients, IDENTITY[0], IDENTITY[1]]] {
        let fault = directory.faults(TlsRole::Server, vars);
        assert!(fault.starts_with("TLS_CLIENTS environment variable is invalid: without "), "{fault}");
    }
    let fault = directory.faults(TlsRole::Server, &[AUTHORITY]);
    assert!(
        fault.starts_with("TLS_CA_FILE environment variable is invalid: without TLS_CERT_FILE"),
        "{fault}"
    );
}

#[test]
fn each_fault_of_a_file_has_one_line_with_its_variable() {
    let directory = Directory::new();
    directory.write("ca.pem", "");
    directory.write("key.pem", "");
    let faults = directory.faults(TlsRole::Both, &ALL);
    let path = |file: &str| directory.path(file).display().to_string();
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
fn invalid_values_are_shown_with_the_accepted_values() {
    let directory = Directory::new();
    let faults = directory.faults(TlsRole::Server, &[("TLS", "off"), ("TLS_CLIENTS", "a,,b")]);
    assert_eq!(
        faults,
        "TLS environment variable is invalid: found \"off\"; accepted: none.\n\
         TLS_CLIENTS environment variable is invalid: found \"a,,b\"; accepted: a comma list, of each a DNS name \
         or a URI, spiffe://example.org/billing for instance."
    );
}

#[test]
fn production_serves_plain_text_off_loopback_only_with_tls_none() {
    let directory = Directory::new();
    for role in [TlsRole::Server, TlsRole::Both] {
        for address in ["0.0.0.0:3001", "10.0.0.1:3001", "[::]:3001", "[::ffff:10.0.0.1]:3001"] {
            let error = directory.read(role, Mode::Production, address, &[]).unwrap_err().to_string();
            assert_eq!(
                error,
                format!(
                    "TLS_CERT_FILE environment variable is missing: production does not serve plain text off \
                     loopback, at {address}; accepted: a PEM file with a certificate, or TLS=none, or a loopback \
                     BIND_ADDRESS."
                )
            );
            let opted_out = directory.read(role, Mode::Production, address, &[("TLS", "none")]).unwrap();
            assert!(opted_out.opted_out && opted_out.server.is_none());
            let with_tls = directory.read(role, Mode::Production, address, &IDENTITY).unwrap();
            assert!(!with_tls.opted_out && with_tls.server.is_some());
            assert!(directory.read(role, Mode::Development, address, &[]).is_ok());
        }
        for address in ["127.0.0.1:3001", "127.1.2.3:3001", "[::1]:3001", "[::ffff:127.0.0.1]:3001"] {
            assert!(directory.read(role, Mode::Production, address, &[]).is_ok(), "{address}");
        }
    }
    // The listener of a client is public, not between services.
    assert!(directory.read(TlsRole::Client, Mode::Production, "0.0.0.0:8080", &[]).is_ok());
}

#[test]
fn production_calls_in_plain_text_off_loopback_only_with_tls_none() {
    let directory = Directory::new();
    let require_tls = |mode, vars: &[(&str, &str)], plaintext_off_loopback| {
        let config = directory.read(TlsRole::Client, mode, "127.0.0.1:1", vars).unwrap();
        let vars = Vars::default();
        let mut reader = Reader::new(&vars, &[]);
        config.require_tls(&mut reader, mode, &URL, plaintext_off_loopback);
        reader.finish(Some(())).map_err(|errors| errors.to_string())
    };
    assert_eq!(
        require_tls(Mode::Production, &[], true).unwrap_err(),
        "PAYMENT_SERVICE_URL environment variable is invalid: production does not call other services off loopback \
         in plain text; accepted: an https address, one without a scheme and TLS_CA_FILE, or TLS=none."
    );
    assert!(require_tls(Mode::Production, &[], false).is_ok());
    assert!(require_tls(Mode::Production, &[("TLS", "none")], true).is_ok());
    assert!(require_tls(Mode::Development, &[], true).is_ok());
}
