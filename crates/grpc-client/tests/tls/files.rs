//! What is wrong with a file is said when it is read, with its name, and without what stands in it.

use grpc_client::tls::{ClientTls, FILE_BYTES_MAX, FileRole, Files, Identity, ServerTls, TlsError};

use crate::authority::{Authority, PemDir};

/// The faults that `files` have for a client, a role and a text each.
fn faults(files: Files) -> Vec<(FileRole, String)> {
    let error = ClientTls::load(files).unwrap_err();
    error.faults().iter().map(|fault| (fault.role(), fault.to_string())).collect()
}

#[test]
fn every_file_that_is_missing_is_named_at_once() {
    let dir = PemDir::new();
    let identity = Identity { certificate: dir.path("a.pem"), key: dir.path("a.key") };
    let files = Files { ca: Some(dir.path("ca.pem")), identity: Some(identity) };
    let found = faults(files);
    let want = [(FileRole::Ca, "ca.pem"), (FileRole::Certificate, "a.pem"), (FileRole::Key, "a.key")];
    assert_eq!(found.len(), want.len());
    for ((role, text), (want_role, file)) in found.into_iter().zip(want) {
        assert_eq!(role, want_role);
        assert_eq!(text, format!("{}: No such file or directory (os error 2)", dir.path(file).display()));
    }
}

#[test]
fn a_file_without_what_it_should_hold_is_named() {
    let (dir, authority) = (PemDir::new(), Authority::new("a"));
    let issued = authority.issue(&["a"]);
    let identity = Identity {
        certificate: dir.write("only-a-key.pem", &issued.key),
        key: dir.write("only-a-certificate.pem", &issued.certificate),
    };
    let files = Files { ca: Some(dir.write("empty.pem", "")), identity: Some(identity) };
    let texts: Vec<String> = faults(files).into_iter().map(|(_, text)| text).collect();
    let path = |file: &str| dir.path(file).display().to_string();
    assert_eq!(
        texts,
        [
            format!("{}: there is no certificate in it", path("empty.pem")),
            format!("{}: there is no certificate in it", path("only-a-key.pem")),
            format!(
                "{}: there is no private key (PKCS#8, PKCS#1 or SEC1, not encrypted) in it",
                path("only-a-certificate.pem")
            ),
        ]
    );
}

#[test]
fn a_key_of_another_certificate_is_named_with_it() {
    let (dir, authority) = (PemDir::new(), Authority::new("a"));
    let mut identity = dir.identity("right", &authority.issue(&["a"]));
    identity.key = dir.identity("wrong", &authority.issue(&["a"])).key;
    let error = ServerTls::load(identity, None).unwrap_err();
    let (key, certificate) = (dir.path("wrong.key"), dir.path("right.pem"));
    assert_eq!(
        error.to_string(),
        format!(
            "{}: its private key does not belong to the certificate in {}",
            key.display(),
            certificate.display()
        )
    );
}

#[test]
fn a_file_that_is_cut_off_is_named() {
    let (dir, authority) = (PemDir::new(), Authority::new("a"));
    let whole = authority.pem();
    let ca = dir.write("ca.pem", &format!("{whole}{}", &whole[..whole.len() / 2]));
    let found = faults(Files { ca: Some(ca.clone()), identity: None });
    assert_eq!(found, [(FileRole::Ca, format!("{}: a PEM section in it has no end", ca.display()))]);
}

#[test]
fn what_is_no_certificate_within_is_named() {
    let dir = PemDir::new();
    let text = "-----BEGIN CERTIFICATE-----\nMTIz\n-----END CERTIFICATE-----\n";
    let issued = Authority::new("a").issue(&["a"]);
    let mut identity = dir.identity("a", &issued);
    identity.certificate = dir.write("no.pem", text);
    let found = faults(Files { ca: Some(identity.certificate.clone()), identity: Some(identity) });
    let roles: Vec<FileRole> = found.iter().map(|(role, _)| *role).collect();
    assert_eq!(roles, [FileRole::Ca, FileRole::Certificate], "{found:?}");
    assert!(found.iter().all(|(_, text)| text.contains("no.pem: its ")), "{found:?}");
}

#[test]
fn a_file_that_is_too_long_is_not_read_to_its_end() {
    let dir = PemDir::new();
    let long = "\n".repeat(usize::try_from(FILE_BYTES_MAX).unwrap() + 1);
    let found = faults(Files { ca: Some(dir.write("long.pem", &long)), identity: None });
    assert!(found[0].1.ends_with("it has more than 1048576 bytes"), "{found:?}");
}

#[test]
fn no_part_of_a_key_is_shown() {
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
        let shown = format!("{error} {error:?}");
        assert!(shown.contains("a.key"), "{shown}");
        let reversed: String = secret.chars().rev().collect();
        assert!(!shown.contains(secret) && !shown.contains(&reversed), "{shown}");
        let decimal: Vec<String> = secret.bytes().map(|byte| byte.to_string()).collect();
        assert!(!shown.contains(&decimal.join(", ")), "{shown}");
    }
    let tls = ServerTls::load(dir.identity("b", &issued), None).unwrap();
    let files = Files { ca: None, identity: Some(dir.identity("b", &issued)) };
    let shown = format!("{tls:?} {:?}", ClientTls::load(files));
    assert!(shown.contains("b.key") && !shown.contains(secret), "{shown}");
}
