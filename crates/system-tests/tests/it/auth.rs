//! Authentication and authorization: valid and invalid tokens, rotation of the issuer's keys,
//! scopes, ownership.

use std::time::{SystemTime, UNIX_EPOCH};

use http::Method;
use proto::order::ListOrdersResponse;
use serde_json::{Value, json};

use crate::{
    backend::scripted::ScriptedOrder,
    gateway_fixture::{ALL_OPERATIONS, GatewayFixture, Operation},
    support::{Response, eventually},
};
use issuer::Issuer;
use signer::Signer;

mod invalid_tokens;
mod issuer;
mod key_rotation;
mod ownership;
mod scopes;
mod signer;

const ISSUER: &str = "https://issuer.example";
const AUDIENCE: &str = "orders";
const JWT_VARS: [(&str, &str); 2] = [("AUTH_ISSUER", ISSUER), ("AUTH_AUDIENCE", AUDIENCE)];
/// A secret for HS256.
const SECRET: &str = "0123456789abcdef0123456789abcdef";
/// `WWW-Authenticate` of a request without a token.
const CHALLENGE: &str = "Bearer realm=\"orders\"";
/// The user of [`claims`] and of the requests of [`GatewayFixture::call`].
const USER: i64 = 123;

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Claims of a valid token with every scope.
fn claims() -> Value {
    claims_of(USER)
}

fn claims_of(user: i64) -> Value {
    let (iat, exp) = (now(), now() + 300);
    json!({ "iss": ISSUER, "aud": AUDIENCE, "sub": user.to_string(), "iat": iat, "exp": exp, "scope": "orders:read orders:write" })
}

/// A copy of `object` with changed members; null removes a member.
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

/// A gateway that requires tokens, in front of an Order with empty lists.
struct AuthFixture {
    order: ScriptedOrder,
    gateway: GatewayFixture,
}

impl AuthFixture {
    async fn start(vars: &[(&str, &str)]) -> Self {
        let order = ScriptedOrder::start().await;
        order.set_list(ListOrdersResponse::default());
        let gateway = GatewayFixture::start_with(order.address, &[&JWT_VARS, vars].concat()).await;
        Self { order, gateway }
    }

    /// Starts a gateway and waits until it has loaded the keys of `issuer`.
    async fn of(issuer: &Issuer) -> Self {
        let fixture = Self::start(&[("AUTH_JWKS_URL", &issuer.url())]).await;
        fixture.until_ready().await;
        fixture
    }

    async fn until_ready(&self) {
        eventually("the keys are loaded", async || self.is_ready().await.then_some(())).await;
    }

    async fn is_ready(&self) -> bool {
        self.gateway.client.get("/readyz").await.status == 200
    }

    async fn call(&self, operation: Operation, token: &str) -> Response {
        self.gateway.call(operation, &[("authorization", &format!("Bearer {token}"))]).await
    }

    /// The status of a list request with `token`; 200 if the token is valid.
    async fn list(&self, token: &str) -> u16 {
        self.call(Operation::List, token).await.status.as_u16()
    }
}

/// The problem without the members that differ between requests.
fn comparable(response: &Response) -> Value {
    let changes = json!({ "instance": null, "request_id": null, "trace_id": null });
    changed(response.problem(), changes)
}

#[tokio::test]
async fn tokens_of_every_algorithm_are_accepted() {
    let signers = [Signer::rsa(Some("a")), Signer::ec(Some("b")), Signer::ed(Some("c"))];
    let issuer = Issuer::of(&signers).await;
    let fixture =
        AuthFixture::start(&[("AUTH_JWKS_URL", &issuer.url()), ("AUTH_HS256_SECRET", SECRET)]).await;
    fixture.until_ready().await;
    for signer in signers.iter().chain([&Signer::secret(SECRET)]) {
        assert_eq!(fixture.list(&signer.token(claims())).await, 200, "{}", signer.algorithm());
        let without_kid = json!({ "alg": signer.algorithm() });
        assert_eq!(fixture.list(&signer.sign(&without_kid, &claims())).await, 200, "{}", signer.algorithm());
    }
}

#[tokio::test]
async fn orders_need_a_token_and_other_routes_do_not() {
    let fixture = AuthFixture::start(&[("AUTH_HS256_SECRET", SECRET)]).await;
    for headers in [&[][..], &[("authorization", "Basic YTpi")], &[("authorization", "Bearer")]] {
        for operation in ALL_OPERATIONS {
            let response = fixture.gateway.call(operation, headers).await;
            assert_eq!((response.status.as_u16(), response.header("www-authenticate")), (401, CHALLENGE));
            assert_eq!(response.problem()["type"], "/problems/unauthenticated");
        }
    }
    assert!(fixture.order.last_metadata().is_empty(), "Order was called");
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
            assert_eq!(
                fixture.gateway.client.send(Method::GET, path, headers, "").await.status,
                200,
                "{path}"
            );
        }
    }
    for path in ["/", "/swagger-ui"] {
        assert_eq!(fixture.gateway.client.get(path).await.status, 307, "{path}");
    }
}
