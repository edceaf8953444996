//! Pagination of the order list.

use serde_json::{Value, json};

use super::{start, start_with_limits};
use crate::support::{Client, order_body};

/// All pages, as lists of order ids.
async fn pages(client: &Client, user: i64, page_size: &str) -> Vec<Vec<i64>> {
    let (mut pages, mut token) = (Vec::new(), String::new());
    loop {
        let page =
            client.get(&format!("/orders?user_id={user}&page_size={page_size}&page_token={token}")).await;
        assert_eq!(page.status, 200);
        let page = page.json();
        pages.push(page["orders"].as_array().unwrap().iter().map(id_of).collect());
        token = page["next_page_token"].as_str().unwrap().to_owned();
        if token.is_empty() {
            return pages;
        }
        assert!(pages.len() < 1000, "the pages do not end");
    }
}

fn id_of(order: &Value) -> i64 {
    order["order_id"].as_i64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_list_each_order_once_newest_first() {
    let (_system, client) = start_with_limits("USD:1000000").await;
    let mut placed = Vec::new();
    for price in 1..=120 {
        let response = client.post(order_body(7, json!(price))).await;
        assert_eq!(response.status, 201);
        placed.push(response.order_id());
        if price % 10 == 0 {
            assert_eq!(client.post(order_body(8, json!(price))).await.status, 201);
        }
    }
    placed.reverse();
    assert!(placed.is_sorted_by(|newer, older| newer > older));
    for (page_size, lengths) in [
        ("50", vec![50, 50, 20]),
        ("", vec![50, 50, 20]),
        ("0", vec![50, 50, 20]),
        ("40", vec![40, 40, 40]),
        ("119", vec![119, 1]),
        ("120", vec![120]),
        ("5000", vec![120]),
        ("1099511627776", vec![120]),
    ] {
        let pages = match page_size {
            "" => pages_of_the_default_size(&client).await,
            _ => pages(&client, 7, page_size).await,
        };
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), lengths, "{page_size}");
        assert_eq!(pages.concat(), placed, "{page_size}");
    }
    assert_eq!(pages(&client, 8, "5").await.concat().len(), 12);
}

async fn pages_of_the_default_size(client: &Client) -> Vec<Vec<i64>> {
    let first = client.get("/orders?user_id=7").await.json();
    let mut all = vec![first["orders"].as_array().unwrap().iter().map(id_of).collect()];
    let token = first["next_page_token"].as_str().unwrap();
    let mut next = format!("/orders?page_token={token}&user_id=7");
    while !next.is_empty() {
        let page = client.get(&next).await.json();
        all.push(page["orders"].as_array().unwrap().iter().map(id_of).collect());
        let token = page["next_page_token"].as_str().unwrap();
        next = if token.is_empty() { String::new() } else { format!("/orders?page_token={token}&user_id=7") };
    }
    all
}

#[tokio::test]
async fn page_token_is_stable_while_orders_are_created() {
    let (_system, client) = start().await;
    let mut placed = Vec::new();
    for _ in 0..4 {
        placed.push(client.post(order_body(7, json!(1))).await.order_id());
    }
    let first = client.get("/orders?user_id=7&page_size=2").await.json();
    client.post(order_body(7, json!(1))).await;
    let token = first["next_page_token"].as_str().unwrap();
    // A token returns the same page every time, and works with any page size.
    for page_size in [2, 2, 50] {
        let path = format!("/orders?user_id=7&page_size={page_size}&page_token={token}");
        let second = client.get(&path).await.json();
        let ids: Vec<i64> = second["orders"].as_array().unwrap().iter().map(id_of).collect();
        assert_eq!(ids, [placed[1], placed[0]]);
        assert_eq!(second["next_page_token"], "");
    }
}

#[tokio::test]
async fn listed_order_equals_read_order() {
    let (_system, client) = start().await;
    let paid = client.post(order_body(7, json!("0.12"))).await.order_id();
    let declined = client.post(order_body(7, json!(2000))).await.order_id();
    let listed = client.get("/orders?user_id=7").await.json();
    for (position, id) in [declined, paid].into_iter().enumerate() {
        assert_eq!(listed["orders"][position], client.get(&format!("/orders/{id}")).await.json());
    }
    assert_eq!(listed["orders"][0]["status"], "DECLINED");
}

#[tokio::test]
async fn user_without_orders_has_an_empty_list() {
    let (_system, client) = start().await;
    let listed = client.get("/orders?user_id=9007199254740991").await;
    assert_eq!((listed.status.as_u16(), listed.text()), (200, "{\"orders\":[],\"next_page_token\":\"\"}\n"));
}
