//! Files that are replaced while they are in use.

use std::{
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::Instant,
};

use grpc_client::tls::{ClientAuth, ClientTls, Files, Identity, RELOAD_INTERVAL, ServerTls};
use rustls_pki_types::{CertificateDer, pem::PemObject};

use crate::{
    authority::{Authority, Issued, PemDir},
    handshake::{BOUND, Seen, meet},
    log,
};

fn der(issued: &Issued) -> Vec<u8> {
    CertificateDer::from_pem_slice(issued.certificate.as_bytes()).unwrap().to_vec()
}

/// Calls until what is seen is as wanted.
async fn until(client: &ClientTls, server: &ServerTls, wanted: impl Fn(&Seen) -> bool) {
    let started = Instant::now();
    loop {
        let seen = meet(client, "server", server).await;
        if wanted(&seen) {
            return;
        }
        assert!(started.elapsed() < BOUND, "still {seen:?}");
        tokio::time::sleep(RELOAD_INTERVAL / 20).await;
    }
}

/// Calls until the server shows `issued`; all the while, it shows something that is trusted.
async fn until_shown(client: &ClientTls, server: &ServerTls, issued: &Issued) {
    let issued = der(issued);
    until(client, server, |seen| *seen.client.as_ref().unwrap() == issued).await;
}

fn replace(dir: &PemDir, file: &str, text: &str) {
    let new = dir.write("new", text);
    std::fs::rename(new, dir.path(file)).unwrap();
}

#[tokio::test]
async fn a_server_takes_up_a_certificate_that_is_renamed_over_the_one_before() {
    let (dir, ours) = (PemDir::new(), Authority::new("ours"));
    let (old, new) = (ours.issue(&["server"]), ours.issue(&["server"]));
    let server = ServerTls::load(dir.identity("server", &old), None).unwrap();
    let client = ClientTls::load(dir.client(&ours, None)).unwrap();
    assert_eq!(meet(&client, "server", &server).await.shown(), der(&old));
    replace(&dir, "server.key", &new.key);
    replace(&dir, "server.pem", &new.certificate);
    until_shown(&client, &server, &new).await;
}

#[tokio::test]
async fn a_certificate_that_is_written_over_with_as_many_bytes_is_taken_up() {
    let (dir, ours) = (PemDir::new(), Authority::new("ours"));
    let both = |issued: &Issued| format!("{}{}", issued.key, issued.certificate);
    let old = ours.issue(&["server"]);
    let new =
        std::iter::repeat_with(|| ours.issue(&["server"])).find(|new| both(new).len() == both(&old).len());
    let new = new.unwrap();
    let file = dir.write("both.pem", &both(&old));
    let at = std::fs::metadata(&file).unwrap().modified().unwrap();
    let identity = Identity { certificate: file.clone(), key: file.clone() };
    let server = ServerTls::load(identity, None).unwrap();
    let client = ClientTls::load(dir.client(&ours, None)).unwrap();
    assert_eq!(meet(&client, "server", &server).await.shown(), der(&old));
    dir.write("both.pem", &both(&new));
    std::fs::File::options().write(true).open(&file).unwrap().set_modified(at).unwrap();
    until_shown(&client, &server, &new).await;
}

/// As Kubernetes does it: the files are links through `..data`, which is replaced by a rename.
#[tokio::test]
async fn a_link_that_is_swapped_is_seen_by_both_sides() {
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
    assert_eq!(meet(&client, "server", &server).await.shown(), der(&old));
    mount("..2", &after, &new);
    // For a moment one side may have looked, and the other not.
    let shown = der(&new);
    until(&client, &server, |seen| seen.server.is_ok() && seen.client.as_ref() == Ok(&shown)).await;
    assert_eq!(dir.directory().join("..data").read_link().unwrap(), Path::new("..2"));
}

#[tokio::test]
async fn an_authority_that_is_taken_away_lets_nobody_in_any_more() {
    let (dir, before, after) = (PemDir::new(), Authority::new("before"), Authority::new("after"));
    let identity = dir.identity("server", &before.issue(&["server"]));
    let server = ServerTls::load(identity, Some(dir.clients(&before, &[]))).unwrap();
    let client = ClientTls::load(dir.client(&before, Some(&before.issue(&["client"])))).unwrap();
    meet(&client, "server", &server).await.shown();
    dir.write("trusted-by-server.pem", &after.pem());
    until(&client, &server, |seen| seen.client.is_err() && seen.server.is_err()).await;
    // While both are trusted, the clients of either come in.
    dir.write("trusted-by-server.pem", &format!("{}{}", after.pem(), before.pem()));
    until(&client, &server, |seen| seen.client.is_ok() && seen.server.is_ok()).await;
}

#[tokio::test]
async fn a_client_takes_up_what_it_trusts_and_what_it_shows() {
    let (dir, before, after) = (PemDir::new(), Authority::new("before"), Authority::new("after"));
    let identity = dir.identity("server", &after.issue(&["server"]));
    let server = ServerTls::load(identity, Some(dir.clients(&after, &["new"]))).unwrap();
    let client = ClientTls::load(dir.client(&before, Some(&before.issue(&["old"])))).unwrap();
    meet(&client, "server", &server).await.refused();
    dir.write("trusted-by-client.pem", &after.pem());
    let issued = after.issue(&["new"]);
    dir.write("client.pem", &issued.certificate);
    dir.write("client.key", &issued.key);
    until(&client, &server, |seen| seen.client.is_ok() && seen.server.is_ok()).await;
}

/// Calls for two looks, every one of which must show `issued`.
async fn goes_on_with(client: &ClientTls, server: &ServerTls, issued: &Issued) {
    let started = Instant::now();
    while started.elapsed() < 2 * RELOAD_INTERVAL + RELOAD_INTERVAL / 2 {
        assert_eq!(meet(client, "server", server).await.shown(), der(issued));
    }
}

#[tokio::test]
async fn what_is_half_written_or_broken_changes_nothing_and_is_warned_of_once() {
    log::keep();
    let (dir, ours) = (PemDir::new(), Authority::new("ours"));
    let (old, new) = (ours.issue(&["server"]), ours.issue(&["server"]));
    let server = ServerTls::load(dir.identity("server", &old), None).unwrap();
    let client = ClientTls::load(dir.client(&ours, None)).unwrap();
    let (certificate, key) = (dir.path("server.pem"), dir.path("server.key"));
    let warnings = || log::lines("WARN", dir.directory().to_str().unwrap());

    dir.write("server.pem", &new.certificate[..new.certificate.len() / 2]);
    goes_on_with(&client, &server, &old).await;
    assert_eq!(warnings().len(), 1, "{:#?}", warnings());
    assert!(warnings()[0].contains(&format!("{}: a PEM section in it has no end", certificate.display())));

    // Whole by now, but of another key.
    dir.write("server.pem", &new.certificate);
    std::fs::remove_file(&key).unwrap();
    goes_on_with(&client, &server, &old).await;
    assert_eq!(warnings().len(), 2, "{:#?}", warnings());
    assert!(warnings()[1].contains(&format!("{}: No such file", key.display())));

    dir.write("server.key", &new.key);
    until_shown(&client, &server, &new).await;
    assert_eq!(warnings().len(), 2, "{:#?}", warnings());
    assert_eq!(log::lines("INFO", key.to_str().unwrap()).len(), 1);
}

#[tokio::test]
async fn connections_that_stay_open_outlive_what_they_were_made_with() {
    let (dir, ours) = (PemDir::new(), Authority::new("ours"));
    let (old, new) = (ours.issue(&["server"]), ours.issue(&["server"]));
    let server = ServerTls::load(dir.identity("server", &old), None).unwrap();
    let client = ClientTls::load(dir.client(&ours, None)).unwrap();
    let (io, peer) = tokio::io::duplex(64 * 1024);
    let (asking, answering) = tokio::join!(client.connect("server", io), server.accept(peer));
    let (mut asking, answering) = (asking.unwrap(), answering.unwrap());
    dir.identity("server", &new);
    until_shown(&client, &server, &new).await;
    let (asked, answered) =
        tokio::join!(crate::handshake::ask(&mut asking), crate::handshake::answer(answering));
    asked.unwrap();
    answered.unwrap();
}

/// A pipe that nobody writes to: whoever opens it waits.
struct Pipe(PathBuf);

impl Pipe {
    fn over(path: PathBuf) -> Self {
        let made = path.with_extension("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&made).status().unwrap().success());
        std::fs::rename(made, &path).unwrap();
        Self(path)
    }
}

impl Drop for Pipe {
    /// Lets the thread go that waits: the runtime would wait for it.
    fn drop(&mut self) {
        drop(std::fs::File::options().read(true).write(true).open(&self.0));
    }
}

#[tokio::test]
async fn a_disk_that_hangs_holds_up_no_connection() {
    let (dir, ours) = (PemDir::new(), Authority::new("ours"));
    let issued = ours.issue(&["server"]);
    let server = ServerTls::load(dir.identity("server", &issued), None).unwrap();
    let client = ClientTls::load(dir.client(&ours, None)).unwrap();
    let _pipe = Pipe::over(dir.path("server.pem"));
    goes_on_with(&client, &server, &issued).await;
}
