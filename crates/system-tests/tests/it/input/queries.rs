//! Paths and query strings of `/orders`.

use serde_json::json;

use super::{EXAMPLE, InputFixture, errors, fields, invalid};
use crate::support::order_body;

#[tokio::test]
async fn list_reports_every_invalid_parameter() {
    let fixture = InputFixture::start().await;
    let long = format!("?user_id={}", "1".repeat(5_000));
    for (query, named) in [
        ("", &["user_id"][..]),
        ("?", &["user_id"]),
        ("?user_id", &["user_id"]),
        ("?user_id=", &["user_id"]),
        ("?user_id=0", &["user_id"]),
        ("?user_id=-1", &["user_id"]),
        ("?user_id=%2B1", &["user_id"]),
        ("?user_id=+1", &["user_id"]),
        ("?user_id=01", &["user_id"]),
        ("?user_id=1.0", &["user_id"]),
        ("?user_id=1e2", &["user_id"]),
        ("?user_id=abc", &["user_id"]),
        ("?user_id=%EF%BC%91", &["user_id"]),
        ("?user_id=9223372036854775808", &["user_id"]),
        ("?user_id=1%00", &["user_id"]),
        ("?user_id=%FF", &["user_id"]),
        ("?user_id=%", &["user_id"]),
        ("?user_id=1;page_size=1", &["user_id"]),
        (&long, &["user_id"]),
        ("?user_id=1&user_id=1", &["user_id"]),
        ("?user_id=1&user%5Fid=2", &["user_id"]),
        ("?User_Id=1", &["User_Id", "user_id"]),
        ("?user_id=1&x=1", &["x"]),
        ("?user_id=1&x=1&x=2&%E6%97%A5", &["x", "x", "日"]),
        ("?user_id=1&&=1", &[""]),
        ("?user_id=1&page_size=-1", &["page_size"]),
        ("?user_id=1&page_size=", &["page_size"]),
        ("?user_id=1&page_size=abc", &["page_size"]),
        ("?user_id=1&page_size=1.5", &["page_size"]),
        ("?user_id=1&page_size=1e3", &["page_size"]),
        ("?user_id=1&page_size=1&page_size=1", &["page_size"]),
        (
            "?page_size=-1&x=1&user_id=a&page_token=1&page_token=2",
            &["x", "page_token", "user_id", "page_size"],
        ),
    ] {
        let response = fixture.client.get(&format!("/orders{query}")).await;
        let mut found = fields(&response, query);
        let mut expected = named.to_vec();
        found.sort();
        expected.sort_unstable();
        assert_eq!(found, expected, "{query}");
    }
    fixture.assert_no_order_created().await;
}

#[tokio::test]
async fn page_token_of_another_user_is_rejected() {
    let fixture = InputFixture::start().await;
    for user in [7, 8] {
        for _ in 0..2 {
            assert_eq!(fixture.client.post(order_body(user, json!(1))).await.status, 201);
        }
    }
    let first = fixture.client.get("/orders?user_id=7&page_size=1").await.json();
    let token = first["next_page_token"].as_str().unwrap().to_owned();
    let path = |user: i64, token: &str| format!("/orders?user_id={user}&page_size=1&page_token={token}");
    assert_eq!(fixture.client.get(&path(7, &token)).await.status, 200);
    let long = "f".repeat(8_000);
    let mut turned: Vec<char> = token.chars().collect();
    turned.reverse();
    let turned: String = turned.into_iter().collect();
    for (user, token) in [
        (8, token.as_str()),
        (7, "garbage"),
        (7, "0"),
        (7, "-1"),
        (7, "%00"),
        (7, "%20"),
        (7, "%E6%97%A5"),
        (7, "'%20OR%201=1--"),
        (7, &format!("{token}0")),
        (7, &token[1..]),
        (7, &turned),
        (7, &token.to_uppercase().replace(|c: char| c.is_ascii_digit(), "A")),
        (7, &long),
    ] {
        let response = fixture.client.get(&path(user, token)).await;
        let problem = invalid(&response, token);
        let named: Vec<_> = errors(&problem).map(|error| (&error["field"], error.get("pointer"))).collect();
        assert_eq!(named, [(&json!("page_token"), None)], "{token}");
    }
}

#[tokio::test]
async fn order_id_is_an_integer_below_2_to_the_53() {
    let fixture = InputFixture::start().await;
    let long = "1".repeat(8_000);
    let ids = "abc 0 -1 +1 01 1.0 1e3 0x1 9007199254740992 9223372036854775807 9223372036854775808
        99999999999999999999999999 %00 1%00 %20 1%20 %FF %E6%97%A5 %2F 1%2F2 .. null % %zz 1;2 1,2 *";
    for id in ids.split_whitespace().chain([long.as_str()]) {
        let response = fixture.client.get(&format!("/orders/{id}")).await;
        assert_eq!(fields(&response, id), ["order_id"], "{id}");
    }
    for (path, named) in [("/orders/1?x=1", &["x"][..]), ("/orders/a?x=1&y", &["order_id", "x", "y"])] {
        let mut found = fields(&fixture.client.get(path).await, path);
        found.sort();
        assert_eq!(found, named, "{path}");
    }
    fixture.assert_no_order_created().await;
}

#[tokio::test]
async fn missing_order_gets_404() {
    let fixture = InputFixture::start().await;
    let placed = fixture.client.post(EXAMPLE).await.order_id();
    for id in [1, placed - 1, placed + 1, (1 << 53) - 1] {
        let response = fixture.client.get(&format!("/orders/{id}")).await;
        assert_eq!(response.status, 404);
        let problem = response.problem();
        assert_eq!(
            (&problem["type"], &problem["code"]),
            (&json!("/problems/not-found"), &json!("NOT_FOUND"))
        );
        assert_eq!(problem["resource"]["name"], id.to_string());
        assert_eq!(problem["retryable"], false);
    }
    // A path may be percent-encoded.
    let escaped = placed.to_string().replace('1', "%31");
    assert_eq!(fixture.client.get(&format!("/orders/{escaped}")).await.order_id(), placed);
}

#[tokio::test]
async fn create_rejects_query_parameters() {
    let fixture = InputFixture::start().await;
    let headers = [super::JSON];
    let response = fixture.client.send(http::Method::POST, "/orders?user_id=1&x", &headers, EXAMPLE).await;
    assert_eq!(fields(&response, "POST"), ["user_id", "x"]);
    let body = super::with("quantity", "0");
    let response = fixture.client.send(http::Method::POST, "/orders?x=1", &headers, body).await;
    assert_eq!(fields(&response, "POST"), ["x", "order_items[0].quantity"]);
    fixture.assert_no_order_created().await;
}
