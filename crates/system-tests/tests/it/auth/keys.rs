//! The issuer's keys: changed, gone, late, and somewhere else.

use std::{fs, path::Path, sync::Arc, time::Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use serde_json::json;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::{
    Gate, Issuer, Signer, claims,
    issuer::{Says, key_set},
};
use crate::{
    front::{Ask, EVERY_ASK},
    support::until,
};

/// How often unknown keys have an issuer asked, in seconds (gateway/src/limits.rs).
const ASKED_INTERVAL_SECONDS: u64 = 10;

/// Asks with a token that cannot be checked: nothing is done, and it may be tried again.
async fn assert_unavailable(gate: &Gate, token: &str) {
    for ask in EVERY_ASK {
        let answer = gate.ask(ask, token).await;
        let problem = answer.problem();
        assert_eq!((answer.status.as_u16(), &problem["reason"]), (503, &json!("NOT_STARTED")));
        assert!(!answer.header("retry-after").is_empty() && problem["retryable"] == true);
    }
}

#[tokio::test]
async fn a_new_key_is_taken_up_by_the_first_token_of_it() {
    let (old, new) = (Signer::ec(Some("old")), Signer::ed(Some("new")));
    let (old_token, new_token) = (old.token(claims()), new.token(claims()));
    let issuer = Issuer::of(std::slice::from_ref(&old)).await;
    let gate = Gate::of(&issuer).await;
    assert_eq!((gate.list(&old_token).await, issuer.asked()), (200, 1));
    issuer.publish(&[new]);
    // All who come at once wait for one look.
    let gate = Arc::new(gate);
    let mut all = JoinSet::new();
    for _ in 0..20 {
        let (gate, token) = (gate.clone(), new_token.clone());
        all.spawn(async move { gate.list(&token).await });
    }
    assert_eq!(all.join_all().await, [200; 20]);
    assert_eq!(issuer.asked(), 2);
    assert_eq!(gate.list(&old_token).await, 401);
}

#[tokio::test]
async fn made_up_keys_do_not_have_the_issuer_asked_each_time() {
    let ours = [Signer::ec(Some("ours"))];
    let issuer = Issuer::of(&ours).await;
    let gate = Gate::of(&issuer).await;
    let (begun, forger) = (Instant::now(), Signer::ec(Some("ours")));
    for index in 0..100 {
        let header = json!({ "alg": "ES256", "kid": format!("made up {index}") });
        assert_eq!(gate.list(&forger.sign(&header, &claims())).await, 401);
    }
    let allowed = 2 + begun.elapsed().as_secs() / ASKED_INTERVAL_SECONDS;
    assert!(issuer.asked() as u64 <= allowed, "{} of {allowed}", issuer.asked());
    assert_eq!(gate.list(&ours[0].token(claims())).await, 200);
}

#[tokio::test]
async fn keys_that_are_late_are_waited_for_and_nothing_is_done_meanwhile() {
    let ours = Signer::rsa(Some("ours"));
    let token = ours.token(claims());
    let elsewhere = Issuer::of(std::slice::from_ref(&ours)).await;
    let good = key_set(std::slice::from_ref(&ours));
    for down in [
        Says::Status(500, String::new(), good.clone()),
        // Whoever runs the gateway said where the keys are, and not the issuer.
        Says::Status(302, elsewhere.url(), good.clone()),
        Says::Status(206, String::new(), good.clone()),
        Says::Document("{\"keys\":[]}".to_owned()),
        Says::Document("<html>".to_owned()),
        Says::Document(format!("{good}{}", " ".repeat(256 * 1024))),
    ] {
        let issuer = Issuer::start(down, None).await;
        let gate = Gate::start(&[("AUTH_JWKS_URL", &issuer.url())]).await;
        until("the issuer was asked", async || (issuer.asked() > 0).then_some(())).await;
        assert!(!gate.is_ready().await);
        assert_unavailable(&gate, &token).await;
        let unknown = gate.front.ask(Ask::Post, &[]).await;
        assert_eq!((unknown.status.as_u16(), unknown.header("www-authenticate")), (401, "Bearer"));
        assert!(gate.order.metadata().is_empty(), "Order was asked");
        issuer.publish(std::slice::from_ref(&ours));
        gate.until_ready().await;
        assert_eq!(gate.list(&token).await, 200);
    }
    assert_eq!(elsewhere.asked(), 0);
}

#[tokio::test]
async fn an_issuer_that_does_not_answer_is_given_up_and_asked_again() {
    let ours = Signer::ec(Some("ours"));
    let issuer = Issuer::start(Says::Nothing, None).await;
    let gate = Gate::start(&[("AUTH_JWKS_URL", &issuer.url())]).await;
    until("the issuer was asked", async || (issuer.asked() > 0).then_some(())).await;
    issuer.publish(std::slice::from_ref(&ours));
    gate.until_ready().await;
    assert_eq!(gate.list(&ours.token(claims())).await, 200);
}

#[tokio::test]
async fn an_issuer_that_is_not_there_is_asked_again() {
    let ours = Signer::ec(Some("ours"));
    let gate = Gate::start(&[("AUTH_JWKS_URL", "http://127.0.0.1:1/keys")]).await;
    assert_unavailable(&gate, &ours.token(claims())).await;
    assert!(!gate.is_ready().await);
}

#[tokio::test]
async fn keys_stay_in_use_when_the_issuer_is_gone() {
    for down in [Says::Status(503, String::new(), String::new()), Says::Document("{\"keys\":[]}".to_owned())]
    {
        let (ours, new) = (Signer::ec(Some("ours")), Signer::ec(Some("new")));
        let issuer = Issuer::of(std::slice::from_ref(&ours)).await;
        let gate = Gate::of(&issuer).await;
        issuer.say(down);
        // Whether this is a key that the issuer has by now, nobody can tell.
        assert_unavailable(&gate, &new.token(claims())).await;
        assert_eq!(gate.list(&ours.token(claims())).await, 200);
        assert!(gate.is_ready().await);
        let [ours_token, new_token] = [ours.token(claims()), new.token(claims())];
        issuer.publish(&[ours]);
        until("a look has gone well", async || (gate.list(&new_token).await == 401).then_some(())).await;
        assert_eq!(gate.list(&ours_token).await, 200);
    }
}

/// Puts a file in the place of another in one step.
fn replace(path: &Path, text: &str) {
    let next = path.with_extension("next");
    fs::write(&next, text).unwrap();
    fs::rename(next, path).unwrap();
}

#[tokio::test]
async fn a_file_of_keys_is_followed() {
    let place = TempDir::new().unwrap();
    let file = place.path().join("keys.json");
    let [first, second, third] = ["first", "second", "third"].map(|kid| Signer::ed(Some(kid)));
    let token = |signer: &Signer| signer.token(claims());
    replace(&file, &key_set(std::slice::from_ref(&first)));
    let gate = Gate::start(&[("AUTH_JWKS_FILE", file.to_str().unwrap())]).await;
    assert_eq!([gate.list(&token(&first)).await, gate.list(&token(&second)).await], [200, 401]);

    replace(&file, &key_set(std::slice::from_ref(&second)));
    until("the second key is known", async || (gate.list(&token(&second)).await == 200).then_some(())).await;
    assert_eq!(gate.list(&token(&first)).await, 401);

    // What cannot be used changes nothing.
    for broken in ["{\"keys\":", "{\"keys\":[]}"] {
        replace(&file, broken);
        until("a look has failed", async || (gate.list(&token(&third)).await == 503).then_some(())).await;
        assert_eq!(gate.list(&token(&second)).await, 200);
        assert!(gate.is_ready().await);
    }
    fs::remove_file(&file).unwrap();
    assert_eq!(gate.list(&token(&second)).await, 200);
    // A key that was taken away is no longer good, though no token of a new one comes.
    replace(&file, &key_set(std::slice::from_ref(&third)));
    until("the second key is gone", async || (gate.list(&token(&second)).await == 401).then_some(())).await;
    assert_eq!(gate.list(&token(&third)).await, 200);
}

#[tokio::test]
async fn keys_come_by_tls_from_whom_the_authority_vouches_for() {
    let place = TempDir::new().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params.clone(), KeyPair::generate().unwrap()).unwrap();
    let stranger = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let server = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    let ours = Signer::ec(Some("ours"));
    let document = Says::Document(key_set(std::slice::from_ref(&ours)));
    let issuer = Issuer::start(document, Some(TlsAcceptor::from(Arc::new(server)))).await;

    let file = |name: &str, pem: String| {
        let path = place.path().join(name);
        fs::write(&path, pem).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (trusted, other) = (file("ca.pem", authority.pem()), file("other.pem", stranger.pem()));
    let gate = Gate::start(&[("AUTH_JWKS_URL", &issuer.url()), ("AUTH_JWKS_CA_FILE", &trusted)]).await;
    gate.until_ready().await;
    assert_eq!(gate.list(&ours.token(claims())).await, 200);

    let before = issuer.asked();
    let gate = Gate::start(&[("AUTH_JWKS_URL", &issuer.url()), ("AUTH_JWKS_CA_FILE", &other)]).await;
    until("the issuer was asked twice", async || (issuer.asked() >= before + 2).then_some(())).await;
    assert!(!gate.is_ready().await);
    assert_unavailable(&gate, &ours.token(claims())).await;
}
