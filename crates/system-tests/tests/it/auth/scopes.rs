//! What a token permits.

use serde_json::{Value, json};

use super::{Gate, SECRET, Signer, changed, claims};
use crate::front::Ask;

#[tokio::test]
async fn reading_and_placing_are_permitted_one_by_one() {
    let gate = Gate::start(&[("AUTH_HS256_SECRET", SECRET)]).await;
    let signer = Signer::secret(SECRET);
    let token = |scopes: Value| signer.token(changed(claims(), changed(json!({ "scope": null }), scopes)));
    for (ask, needed, other) in [
        (Ask::Post, "orders:write", "orders:read"),
        (Ask::Get, "orders:read", "orders:write"),
        (Ask::List, "orders:read", "orders:write"),
    ] {
        for lacking in [
            json!({}),
            json!({ "scope": "" }),
            json!({ "scope": other }),
            json!({ "scp": [other, "orders"] }),
        ] {
            let answer = gate.ask(ask, &token(lacking)).await;
            let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{needed}\"");
            assert_eq!(
                (answer.status.as_u16(), answer.header("www-authenticate")),
                (403, challenge.as_str())
            );
            let problem = answer.problem();
            assert_eq!(problem["type"], "/problems/insufficient-scope");
            assert_eq!(
                (&problem["reason"], &problem["domain"]),
                (&json!("INSUFFICIENT_SCOPE"), &json!("gateway"))
            );
            assert_eq!(
                (&problem["code"], &problem["retryable"]),
                (&json!("PERMISSION_DENIED"), &json!(false))
            );
        }
        assert!(gate.order.metadata().is_empty(), "Order was asked");
    }
    // What Order says of the call: it was let through.
    let passed = [
        json!({ "scope": "openid orders:write" }),
        json!({ "scp": ["orders:write"] }),
        json!({ "scp": "a orders:write" }),
    ];
    for scopes in passed {
        assert_eq!(gate.ask(Ask::Post, &token(scopes)).await.status, 501);
    }
    assert_eq!(gate.ask(Ask::List, &token(json!({ "scp": ["orders:read"] }))).await.status, 200);
}
