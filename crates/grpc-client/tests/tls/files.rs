//! Faults of certificate and key files: the error names the file and shows nothing of its contents.

use grpc_client::tls::{
    ClientTls, FILE_BYTES_MAX,
    FileRole::{Ca, Certificate, Key},
    Files, Identity, ServerTls, TlsError,
};

use crate::authority::{Authority, PemDir};

const MISSING: &str = "No such file or directory (os error 2)";
const NO_CERTIFICATE: &str = "there is no certificate in it";
const NO_KEY: &str = "there is no private key (PKCS#8, PKCS#1 or SEC1, not encrypted) in it";

#[test]
fn all_faults_are_reported_at_once_with_role_and_path() {
    let (dir, authority) = (PemDir::new(), Authority::new("ca"));
    let issued = authority.issue(&["a"]);
    dir.identity("a", &issued);
    dir.write("other.key", &authority.issue(&["a"]).key);
    let ca = authority.pem();
    dir.write("ca.pem", &ca);
    dir.write("empty.pem", "");
    dir.write("truncated.pem", &format!("{ca}{}", &ca[..ca.len() / 2]));
    dir.write("invalid.pem", "-----BEGIN CERTIFICATE-----\nMTIz\n-----END CERTIFICATE-----\n");
    dir.write("long.pem", &"\n".repeat(usize::try_from(FILE_BYTES_MAX).unwrap() + 1));
    let path = |file: &str| dir.path(file);
    let other_key =
        format!("its private key does not belong to the certificate in {}", path("a.pem").display());
    for (ca, certificate, key, expected) in [
        (
            "no-ca.pem",
            "no.pem",
            "no.key",
            &[(Ca, "no-ca.pem", MISSING), (Certificate, "no.pem", MISSING), (Key, "no.key", MISSING)][..],
        ),
        (
            "empty.pem",
            "a.key",
            "a.pem",
            &[
                (Ca, "empty.pem", NO_CERTIFICATE),
                (Certificate, "a.key", NO_CERTIFICATE),
                (Key, "a.pem", NO_KEY),
            ],
        ),
        (
            "invalid.pem",
            "invalid.pem",
            "a.key",
            &[
                (Ca, "invalid.pem", "its certificate 1 "),
                (Certificate, "invalid.pem", "its first certificate "),
            ],
        ),
        ("truncated.pem", "a.pem", "a.key", &[(Ca, "truncated.pem", "a PEM section in it has no end")]),
        ("ca.pem", "a.pem", "other.key", &[(Key, "other.key", &other_key)]),
        ("long.pem", "a.pem", "a.key", &[(Ca, "long.pem", "it has more than 1048576 bytes")]),
    ] {
        let identity = Identity { certificate: path(certificate), key: path(key) };
        let error = ClientTls::load(Files { ca: Some(path(ca)), identity: Some(identity) }).unwrap_err();
        assert_eq!(error.faults().len(), expected.len(), "{error}");
        for (fault, (role, file, message)) in error.faults().iter().zip(expected) {
            assert_eq!(fault.role(), *role, "{fault}");
            assert!(
                fault.to_string().starts_with(&format!("{}: {message}", path(file).display())),
                "{fault}"
            );
        }
        let texts: Vec<String> = error.faults().iter().map(ToString::to_string).collect();
        assert_eq!(error.to_string(), texts.join("; "));
    }
}

#[test]
fn no_part_of_a_key_appears_in_errors_or_debug_output() {
    let (dir, authority) = (PemDir::new(), Authority::new("a"));
    let issued = authority.issue(&["a"]);
    let lines: Vec<&str> = issued.key.lines().filter(|line| !line.starts_with('-')).collect();
    let secret = &lines[1][..12];
    for broken in [
        issued.key.replace(secret, &format!("{secret}!")),
        issued.key.replace("-----BEGIN", &format!("-----BEGIN {secret}")),
        issued.key.replace("-----END", "----END"),
        issued.key.replace("PRIVATE KEY-----\n", &format!("PRIVATE KEY {secret}\n")),
        issued.key.replace(secret, &secret.chars().rev().collect::<String>()),
        format!("-----BEGIN {secret}\n{}", issued.key),
    ] {
        let identity = Identity {
            certificate: dir.write("a.pem", &issued.certificate),
            key: dir.write("a.key", &broken),
        };
        let error: TlsError = ServerTls::load(identity, None).unwrap_err();
        let output = format!("{error} {error:?}");
        assert!(output.contains("a.key"), "{output}");
        let reversed: String = secret.chars().rev().collect();
        assert!(!output.contains(secret) && !output.contains(&reversed), "{output}");
        let decimal: Vec<String> = secret.bytes().map(|byte| byte.to_string()).collect();
        assert!(!output.contains(&decimal.join(", ")), "{output}");
    }
    let tls = ServerTls::load(dir.identity("b", &issued), None).unwrap();
    let files = Files { ca: None, identity: Some(dir.identity("b", &issued)) };
    let output = format!("{tls:?} {:?}", ClientTls::load(files));
    assert!(output.contains("b.key") && !output.contains(secret), "{output}");
}
