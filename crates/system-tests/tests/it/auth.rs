//! Who may order: tokens that are good and those that are forged, the issuer's keys as they come and go, and that
//! nobody reaches what is another's.

use std::time::{SystemTime, UNIX_EPOCH};

use http::Method;
use proto::order::ListOrdersResponse;
use serde_json::{Value, json};

use crate::{
    backend::scripted::Scripted,
    front::{Ask, EVERY_ASK, Front},
    support::{Answer, until},
};
use issuer::Issuer;
use signer::Signer;

mod forged;
mod issuer;
mod keys;
mod owners;
mod scopes;
mod signer;

const ISSUER: &str = "https://issuer.example";
const AUDIENCE: &str = "orders";
const RULES: [(&str, &str); 2] = [("AUTH_ISSUER", ISSUER), ("AUTH_AUDIENCE", AUDIENCE)];
/// A secret for HS256.
const SECRET: &str = "0123456789abcdef0123456789abcdef";
/// The user of [`claims`], and of what [`Front::ask`] asks.
const USER: i64 = 123;

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// What a token says that permits everything for a while.
fn claims() -> Value {
    claims_of(USER)
}

fn claims_of(user: i64) -> Value {
    let (iat, exp) = (now(), now() + 300);
    json!({ "iss": ISSUER, "aud": AUDIENCE, "sub": user.to_string(), "iat": iat, "exp": exp, "scope": "orders:read orders:write" })
}

/// An object with other values of some members; null takes one away.
fn changed(mut object: Value, changes: Value) -> Value {
    let members = object.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(members.remove(name)),
            value => drop(members.insert(name.clone(), value.clone())),
        }
    }
    object
}

/// A gateway that wants tokens, in front of an Order that has an empty list for everyone.
struct Gate {
    order: Scripted,
    front: Front,
}

impl Gate {
    async fn start(vars: &[(&str, &str)]) -> Self {
        let order = Scripted::start().await;
        order.list(ListOrdersResponse::default());
        let front = Front::with(order.address, &[&RULES, vars].concat()).await;
        Self { order, front }
    }

    /// One that has read the keys of `issuer`.
    async fn of(issuer: &Issuer) -> Self {
        let gate = Self::start(&[("AUTH_JWKS_URL", &issuer.url())]).await;
        gate.until_ready().await;
        gate
    }

    async fn until_ready(&self) {
        until("the keys are there", async || self.is_ready().await.then_some(())).await;
    }

    async fn is_ready(&self) -> bool {
        self.front.client.get("/readyz").await.status == 200
    }

    async fn ask(&self, how: Ask, token: &str) -> Answer {
        self.front.ask(how, &[("authorization", &format!("Bearer {token}"))]).await
    }

    /// The status of a list that is asked for with `token`: 200 where it is good.
    async fn list(&self, token: &str) -> u16 {
        self.ask(Ask::List, token).await.status.as_u16()
    }
}

/// A problem without what differs from one to the next of the same kind.
fn comparable(answer: &Answer) -> Value {
    let changes = json!({ "instance": null, "request_id": null, "trace_id": null });
    changed(answer.problem(), changes)
}

#[tokio::test]
async fn tokens_of_every_algorithm_are_good_by_their_keys() {
    let signers = [Signer::rsa(Some("a")), Signer::ec(Some("b")), Signer::ed(Some("c"))];
    let issuer = Issuer::of(&signers).await;
    let gate = Gate::start(&[("AUTH_JWKS_URL", &issuer.url()), ("AUTH_HS256_SECRET", SECRET)]).await;
    gate.until_ready().await;
    for signer in signers.iter().chain([&Signer::secret(SECRET)]) {
        assert_eq!(gate.list(&signer.token(claims())).await, 200, "{}", signer.algorithm());
        let without_kid = json!({ "alg": signer.algorithm() });
        assert_eq!(gate.list(&signer.sign(&without_kid, &claims())).await, 200, "{}", signer.algorithm());
    }
}

#[tokio::test]
async fn without_a_token_orders_are_closed_and_all_else_is_open() {
    let gate = Gate::start(&[("AUTH_HS256_SECRET", SECRET)]).await;
    for headers in [&[][..], &[("authorization", "Basic YTpi")], &[("authorization", "Bearer")]] {
        for ask in EVERY_ASK {
            let answer = gate.front.ask(ask, headers).await;
            assert_eq!((answer.status.as_u16(), answer.header("www-authenticate")), (401, "Bearer"));
            assert_eq!(answer.problem()["type"], "/problems/unauthenticated");
        }
    }
    assert!(gate.order.metadata().is_empty(), "Order was asked");
    let open = [
        "/livez",
        "/readyz",
        "/docs",
        "/docs/swagger-ui.css",
        "/openapi.json",
        "/problems/",
        "/problems/internal",
    ];
    for path in open {
        for headers in [&[][..], &[("authorization", "Bearer nonsense")]] {
            assert_eq!(gate.front.client.send(Method::GET, path, headers, "").await.status, 200, "{path}");
        }
    }
    for path in ["/", "/swagger-ui"] {
        assert_eq!(gate.front.client.get(path).await.status, 307, "{path}");
    }
}
