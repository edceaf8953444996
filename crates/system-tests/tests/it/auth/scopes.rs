//! Scopes of access tokens.

use serde_json::{Value, json};

use super::{AuthFixture, SECRET, Signer, changed, claims};
use crate::gateway_fixture::Operation;

#[tokio::test]
async fn read_and_write_scopes_are_separate() {
    let fixture = AuthFixture::start(&[("AUTH_HS256_SECRET", SECRET)]).await;
    let signer = Signer::secret(SECRET);
    let token = |scopes: Value| signer.token(changed(claims(), changed(json!({ "scope": null }), scopes)));
    for (operation, needed, other) in [
        (Operation::Create, "orders:write", "orders:read"),
        (Operation::Get, "orders:read", "orders:write"),
        (Operation::List, "orders:read", "orders:write"),
    ] {
        for lacking in [
            json!({}),
            json!({ "scope": "" }),
            json!({ "scope": other }),
            json!({ "scp": [other, "orders"] }),
        ] {
            let response = fixture.call(operation, &token(lacking)).await;
            let challenge =
                format!("Bearer realm=\"orders\", error=\"insufficient_scope\", scope=\"{needed}\"");
            assert_eq!(
                (response.status.as_u16(), response.header("www-authenticate")),
                (403, challenge.as_str())
            );
            let problem = response.problem();
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
        assert!(fixture.order.last_metadata().is_empty(), "Order was called");
    }
    // 501 is the response of the scripted Order: the gateway let the call through.
    let passed = [
        json!({ "scope": "openid orders:write" }),
        json!({ "scp": ["orders:write"] }),
        json!({ "scp": "a orders:write" }),
    ];
    for scopes in passed {
        assert_eq!(fixture.call(Operation::Create, &token(scopes)).await.status, 501);
    }
    assert_eq!(fixture.call(Operation::List, &token(json!({ "scp": ["orders:read"] }))).await.status, 200);
}
