//! Users have access to their own orders only.

use all_in_one::{Options, System};
use http::{HeaderMap, Method};
use proto::order::{GetOrderResponse, OrderItem};
use serde_json::{Value, json};

use super::{AUDIENCE, AuthFixture, ISSUER, SECRET, Signer, USER, claims, claims_of, comparable};
use crate::{
    gateway_fixture::{ORDER_ID, Operation},
    support::{Client, Response, order_body},
};

const A: i64 = 123;
const B: i64 = 124;

/// A user with an access token.
struct User {
    id: i64,
    client: Client,
    bearer: String,
}

impl User {
    fn of(system: &System, id: i64) -> Self {
        let bearer = format!("Bearer {}", Signer::secret(SECRET).token(claims_of(id)));
        Self { id, client: Client::new(system.gateway_url()), bearer }
    }

    async fn get(&self, path: &str) -> Response {
        self.send(Method::GET, path).await
    }

    async fn send(&self, method: Method, path: &str) -> Response {
        self.client.send(method, path, &[("authorization", &self.bearer)], "").await
    }

    async fn order(&self, key: &str) -> Response {
        self.order_as(self.id, key).await
    }

    async fn order_as(&self, user: i64, key: &str) -> Response {
        let headers = [("authorization", self.bearer.as_str()), ("idempotency-key", key)];
        self.client.post_with(&headers, order_body(user, json!(0.12))).await
    }
}

async fn start() -> (System, User, User) {
    let options = Options::default()
        .var("AUTH_HS256_SECRET", SECRET)
        .var("AUTH_ISSUER", ISSUER)
        .var("AUTH_AUDIENCE", AUDIENCE);
    let system = System::start_with(options).await.unwrap();
    let (a, b) = (User::of(&system, A), User::of(&system, B));
    (system, a, b)
}

/// The headers without those that differ between any two responses.
fn headers(response: &Response) -> HeaderMap {
    let mut headers = response.headers.clone();
    headers.remove("x-request-id");
    headers.remove("date");
    headers
}

#[tokio::test]
async fn foreign_order_response_equals_missing_order_response() {
    let (_system, a, b) = start().await;
    let placed = b.order("k").await;
    assert_eq!(placed.status, 201);
    let theirs = placed.order_id();
    // An id with as many digits, so that content lengths are equal.
    let missing = theirs - 1;
    let own = b.get(placed.header("location")).await;
    assert_eq!((own.status.as_u16(), own.text()), (200, placed.text()));

    let [foreign, absent] =
        [a.get(&format!("/orders/{theirs}")).await, a.get(&format!("/orders/{missing}")).await];
    assert_eq!(foreign.status, 404);
    assert_eq!(foreign.status, absent.status);
    assert_eq!(headers(&foreign), headers(&absent));
    let named =
        |response: &Response, id: i64| comparable(response).to_string().replace(&id.to_string(), "ID");
    assert_eq!(named(&foreign, theirs), named(&absent, missing));
    assert_eq!(foreign.problem()["type"], "/problems/not-found");
    for id in [theirs, missing] {
        assert_eq!(a.send(Method::HEAD, &format!("/orders/{id}")).await.status, 404);
    }
}

#[tokio::test]
async fn list_contains_own_orders_only() {
    let (_system, a, b) = start().await;
    let placed = b.order("k").await;
    for path in ["/orders".to_owned(), format!("/orders?user_id={B}")] {
        assert_eq!(b.get(&path).await.json()["orders"], json!([placed.json()]), "{path}");
    }
    for path in ["/orders".to_owned(), format!("/orders?user_id={A}")] {
        assert_eq!(a.get(&path).await.json()["orders"], json!([]), "{path}");
    }
    let mut problems = Vec::new();
    // A user with orders, and one without.
    for other in [B, 125] {
        let rejected = a.get(&format!("/orders?user_id={other}")).await;
        let problem = comparable(&rejected);
        assert_eq!(
            (rejected.status.as_u16(), &problem["type"]),
            (403, &json!("/problems/permission-denied"))
        );
        assert_eq!(
            problem["errors"],
            json!([{ "field": "user_id", "detail": "is not the user of the access token" }])
        );
        problems.push(problem);
    }
    assert_eq!(problems[0], problems[1]);
    assert_eq!(a.get("/orders?user_id=0").await.status, 400);
    // A page token of another user's list returns no orders.
    for index in 0..2 {
        assert_eq!(b.order(&format!("more-{index}")).await.status, 201);
    }
    let page = b.get("/orders?page_size=1").await.json();
    let next = page["next_page_token"].as_str().unwrap();
    assert!(!next.is_empty());
    let followed = a.get(&format!("/orders?page_token={next}")).await;
    let orders = if followed.status == 200 { followed.json()["orders"].clone() } else { json!([]) };
    assert_eq!(orders, json!([]), "{}", followed.text());
}

#[tokio::test]
async fn order_for_another_user_gets_403() {
    let (_system, a, b) = start().await;
    let rejected = a.order_as(B, "k").await;
    let problem = rejected.problem();
    assert_eq!((rejected.status.as_u16(), &problem["type"]), (403, &json!("/problems/permission-denied")));
    assert_eq!(
        (&problem["errors"][0]["pointer"], &problem["retryable"]),
        (&json!("#/user_id"), &json!(false))
    );
    assert_eq!(rejected.header("idempotency-key"), "k");
    // The rejected request created nothing and left the key unused, for both users.
    assert_eq!(b.get("/orders").await.json()["orders"], json!([]));
    let placed = b.order("k").await;
    assert_eq!((placed.status.as_u16(), placed.header("idempotent-replayed")), (201, ""));
    // The keys of another user have no effect.
    let own = a.order("k").await;
    assert_eq!((own.status.as_u16(), own.header("idempotent-replayed")), (201, ""));
    assert_eq!(own.json()["user_id"], A);
    assert_ne!(own.order_id(), placed.order_id());
    assert_eq!(a.order("k").await.header("idempotent-replayed"), "true");
    // Validation of the body comes first, since `user_id` may be invalid.
    let headers = [("authorization", a.bearer.as_str())];
    let body = json!({ "user_id": B, "order_items": [] });
    assert_eq!(a.client.post_with(&headers, body).await.status, 400);
}

#[tokio::test]
async fn gateway_checks_ownership_when_order_does_not() {
    let fixture = AuthFixture::start(&[("AUTH_HS256_SECRET", SECRET)]).await;
    let token = Signer::secret(SECRET).token(claims());
    let order = |user_id| GetOrderResponse {
        user_id,
        order_items: vec![OrderItem {
            product_code: "sku1".to_owned(),
            unit_price: 0.12,
            quantity: 1,
            ..OrderItem::default()
        }],
        ..GetOrderResponse::default()
    };
    fixture.order.set_get(order(USER));
    assert_eq!(fixture.call(Operation::Get, &token).await.status, 200);
    fixture.order.set_get(order(USER + 1));
    let rejected = fixture.call(Operation::Get, &token).await;
    assert_eq!((rejected.status.as_u16(), &rejected.problem()["order_id"]), (404, &json!(ORDER_ID)));
    assert_eq!(rejected.problem().get("user_id"), None::<&Value>);
}
