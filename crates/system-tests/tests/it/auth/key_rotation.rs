//! The issuer's key set: rotation, failures, redirects, files and TLS.

use std::{fs, path::Path, sync::Arc, time::Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use serde_json::json;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::{
    AuthFixture, CHALLENGE, Issuer, Signer, claims,
    issuer::{KeySetResponse, key_set},
};
use crate::{
    gateway_fixture::{ALL_OPERATIONS, Operation},
    support::eventually,
};

/// The minimum interval between refreshes for unknown keys, in seconds (gateway/src/limits.rs).
const REFRESH_INTERVAL_SECONDS: u64 = 10;

/// Asserts that a token that cannot be verified gets a retryable 503.
async fn assert_unavailable(fixture: &AuthFixture, token: &str) {
    for operation in ALL_OPERATIONS {
        let response = fixture.call(operation, token).await;
        let problem = response.problem();
        assert_eq!((response.status.as_u16(), &problem["reason"]), (503, &json!("NOT_STARTED")));
        assert!(!response.header("retry-after").is_empty() && problem["retryable"] == true);
    }
}

#[tokio::test]
async fn unknown_kid_refreshes_the_key_set_once() {
    let (old, new) = (Signer::ec(Some("old")), Signer::ed(Some("new")));
    let (old_token, new_token) = (old.token(claims()), new.token(claims()));
    let issuer = Issuer::of(std::slice::from_ref(&old)).await;
    let fixture = AuthFixture::of(&issuer).await;
    assert_eq!((fixture.list(&old_token).await, issuer.connection_count()), (200, 1));
    issuer.publish(&[new]);
    // Concurrent requests share one refresh.
    let fixture = Arc::new(fixture);
    let mut all = JoinSet::new();
    for _ in 0..20 {
        let (fixture, token) = (fixture.clone(), new_token.clone());
        all.spawn(async move { fixture.list(&token).await });
    }
    assert_eq!(all.join_all().await, [200; 20]);
    assert_eq!(issuer.connection_count(), 2);
    assert_eq!(fixture.list(&old_token).await, 401);
}

#[tokio::test]
async fn tokens_that_wait_for_keys_count_as_open_requests() {
    let issuer = Issuer::of(&[Signer::ec(Some("known"))]).await;
    let fixture = AuthFixture::start(&[("AUTH_JWKS_URL", &issuer.url()), ("REQUESTS_MAX", "2")]).await;
    fixture.until_ready().await;
    issuer.respond_with(KeySetResponse::Hang);
    let (fixture, token) = (Arc::new(fixture), Signer::ec(Some("unknown")).token(claims()));
    let mut waiting = JoinSet::new();
    for _ in 0..2 {
        let (fixture, token) = (fixture.clone(), token.clone());
        waiting.spawn(async move { fixture.list(&token).await });
    }
    eventually("further requests are rejected at once", async || {
        let began = Instant::now();
        let rejected = fixture.call(Operation::List, "invalid").await.status == 503;
        assert!(began.elapsed().as_secs() < 2, "{:?}", began.elapsed());
        rejected.then_some(())
    })
    .await;
    assert_eq!(waiting.join_all().await, [503; 2]);
    assert!(fixture.is_ready().await);
}

#[tokio::test]
async fn unknown_kids_refresh_at_most_once_per_interval() {
    let ours = [Signer::ec(Some("ours"))];
    let issuer = Issuer::of(&ours).await;
    let fixture = AuthFixture::of(&issuer).await;
    let (begun, forger) = (Instant::now(), Signer::ec(Some("ours")));
    for index in 0..100 {
        let header = json!({ "alg": "ES256", "kid": format!("made up {index}") });
        assert_eq!(fixture.list(&forger.sign(&header, &claims())).await, 401);
    }
    let allowed = 2 + begun.elapsed().as_secs() / REFRESH_INTERVAL_SECONDS;
    assert!(issuer.connection_count() as u64 <= allowed, "{} of {allowed}", issuer.connection_count());
    assert_eq!(fixture.list(&ours[0].token(claims())).await, 200);
}

#[tokio::test]
async fn gateway_is_unready_until_a_usable_key_set_is_loaded() {
    let ours = Signer::rsa(Some("ours"));
    let token = ours.token(claims());
    let elsewhere = Issuer::of(std::slice::from_ref(&ours)).await;
    let good = key_set(std::slice::from_ref(&ours));
    for down in [
        KeySetResponse::Status(500, String::new(), good.clone()),
        // The gateway follows no redirects: the operator configures the address, not the issuer.
        KeySetResponse::Status(302, elsewhere.url(), good.clone()),
        KeySetResponse::Status(206, String::new(), good.clone()),
        KeySetResponse::Document("{\"keys\":[]}".to_owned()),
        KeySetResponse::Document("<html>".to_owned()),
        KeySetResponse::Document(format!("{good}{}", " ".repeat(256 * 1024))),
    ] {
        let issuer = Issuer::start(down, None).await;
        let fixture = AuthFixture::start(&[("AUTH_JWKS_URL", &issuer.url())]).await;
        eventually("the issuer received a request", async || (issuer.connection_count() > 0).then_some(()))
            .await;
        assert!(!fixture.is_ready().await);
        assert_unavailable(&fixture, &token).await;
        let unknown = fixture.gateway.call(Operation::Create, &[]).await;
        assert_eq!((unknown.status.as_u16(), unknown.header("www-authenticate")), (401, CHALLENGE));
        assert!(fixture.order.last_metadata().is_empty(), "Order was called");
        issuer.publish(std::slice::from_ref(&ours));
        fixture.until_ready().await;
        assert_eq!(fixture.list(&token).await, 200);
    }
    assert_eq!(elsewhere.connection_count(), 0);
}

#[tokio::test]
async fn hanging_issuer_times_out_and_is_retried() {
    let ours = Signer::ec(Some("ours"));
    let issuer = Issuer::start(KeySetResponse::Hang, None).await;
    let fixture = AuthFixture::start(&[("AUTH_JWKS_URL", &issuer.url())]).await;
    eventually("the issuer received a request", async || (issuer.connection_count() > 0).then_some(())).await;
    issuer.publish(std::slice::from_ref(&ours));
    fixture.until_ready().await;
    assert_eq!(fixture.list(&ours.token(claims())).await, 200);
}

#[tokio::test]
async fn unreachable_issuer_gives_503() {
    let ours = Signer::ec(Some("ours"));
    let fixture = AuthFixture::start(&[("AUTH_JWKS_URL", "http://127.0.0.1:1/keys")]).await;
    assert_unavailable(&fixture, &ours.token(claims())).await;
    assert!(!fixture.is_ready().await);
}

#[tokio::test]
async fn loaded_keys_stay_in_use_when_the_issuer_fails() {
    for down in [
        KeySetResponse::Status(503, String::new(), String::new()),
        KeySetResponse::Document("{\"keys\":[]}".to_owned()),
    ] {
        let (ours, new) = (Signer::ec(Some("ours")), Signer::ec(Some("new")));
        let issuer = Issuer::of(std::slice::from_ref(&ours)).await;
        let fixture = AuthFixture::of(&issuer).await;
        issuer.respond_with(down);
        // The issuer might have this key by now, so the gateway cannot reject it.
        assert_unavailable(&fixture, &new.token(claims())).await;
        assert_eq!(fixture.list(&ours.token(claims())).await, 200);
        assert!(fixture.is_ready().await);
        let [ours_token, new_token] = [ours.token(claims()), new.token(claims())];
        issuer.publish(&[ours]);
        eventually("a refresh has succeeded", async || (fixture.list(&new_token).await == 401).then_some(()))
            .await;
        assert_eq!(fixture.list(&ours_token).await, 200);
    }
}

/// Replaces a file atomically.
fn replace(path: &Path, text: &str) {
    let next = path.with_extension("next");
    fs::write(&next, text).unwrap();
    fs::rename(next, path).unwrap();
}

#[tokio::test]
async fn key_set_file_is_reloaded() {
    let place = TempDir::new().unwrap();
    let file = place.path().join("keys.json");
    let [first, second, third] = ["first", "second", "third"].map(|kid| Signer::ed(Some(kid)));
    let token = |signer: &Signer| signer.token(claims());
    replace(&file, &key_set(std::slice::from_ref(&first)));
    let fixture = AuthFixture::start(&[("AUTH_JWKS_FILE", file.to_str().unwrap())]).await;
    assert_eq!([fixture.list(&token(&first)).await, fixture.list(&token(&second)).await], [200, 401]);

    replace(&file, &key_set(std::slice::from_ref(&second)));
    eventually("the second key is loaded", async || {
        (fixture.list(&token(&second)).await == 200).then_some(())
    })
    .await;
    assert_eq!(fixture.list(&token(&first)).await, 401);

    // An unusable file changes nothing.
    for broken in ["{\"keys\":", "{\"keys\":[]}"] {
        replace(&file, broken);
        eventually("a refresh has failed", async || {
            (fixture.list(&token(&third)).await == 503).then_some(())
        })
        .await;
        assert_eq!(fixture.list(&token(&second)).await, 200);
        assert!(fixture.is_ready().await);
    }
    fs::remove_file(&file).unwrap();
    assert_eq!(fixture.list(&token(&second)).await, 200);
    // A removed key is rejected even if no token with a new key arrives.
    replace(&file, &key_set(std::slice::from_ref(&third)));
    eventually("the second key is removed", async || {
        (fixture.list(&token(&second)).await == 401).then_some(())
    })
    .await;
    assert_eq!(fixture.list(&token(&third)).await, 200);
}

#[tokio::test]
async fn key_set_over_tls_needs_a_trusted_certificate() {
    let place = TempDir::new().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params.clone(), KeyPair::generate().unwrap()).unwrap();
    let other_authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
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
    let document = KeySetResponse::Document(key_set(std::slice::from_ref(&ours)));
    let issuer = Issuer::start(document, Some(TlsAcceptor::from(Arc::new(server)))).await;

    let file = |name: &str, pem: String| {
        let path = place.path().join(name);
        fs::write(&path, pem).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (trusted, other) = (file("ca.pem", authority.pem()), file("other.pem", other_authority.pem()));
    let fixture =
        AuthFixture::start(&[("AUTH_JWKS_URL", &issuer.url()), ("AUTH_JWKS_CA_FILE", &trusted)]).await;
    fixture.until_ready().await;
    assert_eq!(fixture.list(&ours.token(claims())).await, 200);

    let before = issuer.connection_count();
    let fixture =
        AuthFixture::start(&[("AUTH_JWKS_URL", &issuer.url()), ("AUTH_JWKS_CA_FILE", &other)]).await;
    eventually("the issuer received two requests", async || {
        (issuer.connection_count() >= before + 2).then_some(())
    })
    .await;
    assert!(!fixture.is_ready().await);
    assert_unavailable(&fixture, &ours.token(claims())).await;
}
