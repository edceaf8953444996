//! Reload of files that are replaced while they are in use.

use std::{
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::Instant,
};

use grpc_client::tls::{ClientAuth, ClientTls, Files, Identity, RELOAD_INTERVAL, ServerTls};
use rustls_pki_types::{CertificateDer, pem::PemObject};

use crate::{
    authority::{Authority, Issued, PemDir},
    handshake::{BOUND, Outcome, connect, request, respond},
    log,
};

/// A server with the certificate `old`, a client that trusts it, and a certificate for a reload.
struct Setup {
    dir: PemDir,
    client: ClientTls,
    server: ServerTls,
    old: Issued,
    new: Issued,
}

impl Setup {
    fn new() -> Self {
        let (dir, ca) = (PemDir::new(), Authority::new("ca"));
        let (old, new) = (ca.issue(&["server"]), ca.issue(&["server"]));
        let server = ServerTls::load(dir.identity("server", &old), None).unwrap();
        let client = ClientTls::load(dir.client(&ca, None)).unwrap();
        Self { dir, client, server, old, new }
    }
}

fn der(issued: &Issued) -> Vec<u8> {
    CertificateDer::from_pem_slice(issued.certificate.as_bytes()).unwrap().to_vec()
}

/// Connects until `condition` holds.
async fn until(client: &ClientTls, server: &ServerTls, condition: impl Fn(&Outcome) -> bool) {
    let started = Instant::now();
    loop {
        let outcome = connect(client, "server", server).await;
        if condition(&outcome) {
            return;
        }
        assert!(started.elapsed() < BOUND, "timed out: {outcome:?}");
        tokio::time::sleep(RELOAD_INTERVAL / 20).await;
    }
}

/// Connects until the server presents `issued`. Every connection before that succeeds, too.
async fn until_presented(client: &ClientTls, server: &ServerTls, issued: &Issued) {
    let issued = der(issued);
    until(client, server, |outcome| *outcome.client.as_ref().unwrap() == issued).await;
}

/// Replaces `file` by a rename.
fn replace(dir: &PemDir, file: &str, text: &str) {
    let new = dir.write("new", text);
    std::fs::rename(new, dir.path(file)).unwrap();
}

#[tokio::test]
async fn server_reloads_a_renamed_certificate() {
    let Setup { dir, client, server, old, new } = Setup::new();
    assert_eq!(connect(&client, "server", &server).await.certificate(), der(&old));
    replace(&dir, "server.key", &new.key);
    replace(&dir, "server.pem", &new.certificate);
    until_presented(&client, &server, &new).await;
}

#[tokio::test]
async fn server_reloads_a_certificate_of_the_same_length_and_time() {
    let (dir, ca) = (PemDir::new(), Authority::new("ca"));
    let both = |issued: &Issued| format!("{}{}", issued.key, issued.certificate);
    let old = ca.issue(&["server"]);
    let new =
        std::iter::repeat_with(|| ca.issue(&["server"])).find(|new| both(new).len() == both(&old).len());
    let new = new.unwrap();
    let file = dir.write("both.pem", &both(&old));
    let modified = std::fs::metadata(&file).unwrap().modified().unwrap();
    let identity = Identity { certificate: file.clone(), key: file.clone() };
    let server = ServerTls::load(identity, None).unwrap();
    let client = ClientTls::load(dir.client(&ca, None)).unwrap();
    assert_eq!(connect(&client, "server", &server).await.certificate(), der(&old));
    dir.write("both.pem", &both(&new));
    std::fs::File::options().write(true).open(&file).unwrap().set_modified(modified).unwrap();
    until_presented(&client, &server, &new).await;
}

/// As Kubernetes replaces a mounted secret: the files are links through `..data`, which is replaced by a
/// rename.
#[tokio::test]
async fn both_sides_reload_files_behind_a_replaced_symlink() {
    let (dir, before, after) = (PemDir::new(), Authority::new("before"), Authority::new("after"));
    let mount = |version: &str, ca: &Authority, issued: &Issued| {
        std::fs::create_dir(dir.path(version)).unwrap();
        dir.write(&format!("{version}/ca.crt"), &ca.pem());
        dir.write(&format!("{version}/tls.crt"), &issued.certificate);
        dir.write(&format!("{version}/tls.key"), &issued.key);
        symlink(version, dir.path("..tmp")).unwrap();
        std::fs::rename(dir.path("..tmp"), dir.path("..data")).unwrap();
    };
    let (old, new) = (before.issue(&["server"]), after.issue(&["server"]));
    mount("..1", &before, &old);
    for file in ["ca.crt", "tls.crt", "tls.key"] {
        symlink(Path::new("..data").join(file), dir.path(file)).unwrap();
    }
    let identity = Identity { certificate: dir.path("tls.crt"), key: dir.path("tls.key") };
    let ca = dir.path("ca.crt");
    let clients = ClientAuth { ca: ca.clone(), allowed: vec!["server".parse().unwrap()] };
    let server = ServerTls::load(identity.clone(), Some(clients)).unwrap();
    let client = ClientTls::load(Files { ca: Some(ca), identity: Some(identity) }).unwrap();
    assert_eq!(connect(&client, "server", &server).await.certificate(), der(&old));
    mount("..2", &after, &new);
    // For a moment only one side may have reloaded.
    let certificate = der(&new);
    let is_new = |outcome: &Outcome| outcome.server.is_ok() && outcome.client.as_ref() == Ok(&certificate);
    until(&client, &server, is_new).await;
    assert_eq!(dir.directory().join("..data").read_link().unwrap(), Path::new("..2"));
}

#[tokio::test]
async fn clients_of_a_removed_authority_are_rejected() {
    let (dir, before, after) = (PemDir::new(), Authority::new("before"), Authority::new("after"));
    let identity = dir.identity("server", &before.issue(&["server"]));
    let server = ServerTls::load(identity, Some(dir.client_auth(&before, &[]))).unwrap();
    let client = ClientTls::load(dir.client(&before, Some(&before.issue(&["client"])))).unwrap();
    connect(&client, "server", &server).await.certificate();
    dir.write("trusted-by-server.pem", &after.pem());
    until(&client, &server, |outcome| outcome.client.is_err() && outcome.server.is_err()).await;
    // With both authorities trusted, clients of either are accepted.
    dir.write("trusted-by-server.pem", &format!("{}{}", after.pem(), before.pem()));
    until(&client, &server, Outcome::is_ok).await;
}

#[tokio::test]
async fn client_reloads_authorities_and_its_certificate() {
    let (dir, before, after) = (PemDir::new(), Authority::new("before"), Authority::new("after"));
    let identity = dir.identity("server", &after.issue(&["server"]));
    let server = ServerTls::load(identity, Some(dir.client_auth(&after, &["new"]))).unwrap();
    let client = ClientTls::load(dir.client(&before, Some(&before.issue(&["old"])))).unwrap();
    connect(&client, "server", &server).await.errors();
    dir.write("trusted-by-client.pem", &after.pem());
    let issued = after.issue(&["new"]);
    dir.write("client.pem", &issued.certificate);
    dir.write("client.key", &issued.key);
    until(&client, &server, Outcome::is_ok).await;
}

/// Asserts that the server presents `issued` during the next two reloads.
async fn assert_keeps(client: &ClientTls, server: &ServerTls, issued: &Issued) {
    let started = Instant::now();
    while started.elapsed() < 2 * RELOAD_INTERVAL + RELOAD_INTERVAL / 2 {
        assert_eq!(connect(client, "server", server).await.certificate(), der(issued));
    }
}

#[tokio::test]
async fn unusable_files_keep_the_configuration_and_are_logged_once() {
    log::capture();
    let Setup { dir, client, server, old, new } = Setup::new();
    let (certificate, key) = (dir.path("server.pem"), dir.path("server.key"));
    let warnings = || log::lines("WARN", dir.directory().to_str().unwrap());

    dir.write("server.pem", &new.certificate[..new.certificate.len() / 2]);
    assert_keeps(&client, &server, &old).await;
    assert_eq!(warnings().len(), 1, "{:#?}", warnings());
    assert!(warnings()[0].contains(&format!("{}: a PEM section in it has no end", certificate.display())));

    // Complete, but without the key.
    dir.write("server.pem", &new.certificate);
    std::fs::remove_file(&key).unwrap();
    assert_keeps(&client, &server, &old).await;
    assert_eq!(warnings().len(), 2, "{:#?}", warnings());
    assert!(warnings()[1].contains(&format!("{}: No such file", key.display())));

    dir.write("server.key", &new.key);
    until_presented(&client, &server, &new).await;
    assert_eq!(warnings().len(), 2, "{:#?}", warnings());
    assert_eq!(log::lines("INFO", key.to_str().unwrap()).len(), 1);
}

#[tokio::test]
async fn open_connections_survive_a_reload() {
    let Setup { dir, client, server, new, .. } = Setup::new();
    let (io, peer) = tokio::io::duplex(64 * 1024);
    let (opened, accepted) = tokio::join!(client.connect("server", io), server.accept(peer));
    let (mut opened, accepted) = (opened.unwrap(), accepted.unwrap());
    dir.identity("server", &new);
    until_presented(&client, &server, &new).await;
    let (requested, responded) = tokio::join!(request(&mut opened), respond(accepted));
    requested.unwrap();
    responded.unwrap();
}

/// A named pipe without a writer: opening it blocks.
struct Pipe(PathBuf);

impl Pipe {
    fn over(path: PathBuf) -> Self {
        let pipe = path.with_extension("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        std::fs::rename(pipe, &path).unwrap();
        Self(path)
    }
}

impl Drop for Pipe {
    /// Unblocks the reload thread; otherwise the runtime would wait for it.
    fn drop(&mut self) {
        drop(std::fs::File::options().read(true).write(true).open(&self.0));
    }
}

#[tokio::test]
async fn hanging_disk_blocks_no_connection() {
    let Setup { dir, client, server, old, .. } = Setup::new();
    let _pipe = Pipe::over(dir.path("server.pem"));
    assert_keeps(&client, &server, &old).await;
}
