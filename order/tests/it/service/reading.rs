//! `Get` and `List`.

use proto::order::{
    CreateOrderRequest, GetOrderRequest, GetOrderResponse, ListOrdersRequest, OrderItem, OrderStatus,
};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::{
    Client,
    orders::{create, item, money, request},
    start,
};

async fn get(client: &Client, order_id: i64, user_id: i64) -> Result<GetOrderResponse, Status> {
    let request = GetOrderRequest { order_id, user_id };
    client.clone().get(request).await.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn order_reads_back_as_it_was_sent_with_fields_of_the_old_contract() {
    let (client, _payment, _order) = start().await;
    let sent = CreateOrderRequest {
        order_items: vec![
            item("sku1", 0.12, 3),
            OrderItem { price: Some(money("USD", 19, 990_000_000)), ..item("😀 2", 0.0, 1_000_000) },
            item("free", 0.0, 1),
        ],
        ..request()
    };
    let response = create(&client, sent).await.unwrap();
    let order = get(&client, response.order_id, 0).await.unwrap();
    let priced = |code, float, quantity, nanos, units| OrderItem {
        price: Some(money("USD", units, nanos)),
        ..item(code, float, quantity)
    };
    let expected = GetOrderResponse {
        user_id: 123,
        order_items: vec![
            priced("sku1", 0.12, 3, 120_000_000, 0),
            priced("😀 2", 19.99, 1_000_000, 990_000_000, 19),
            priced("free", 0.0, 1, 0, 0),
        ],
        order_id: response.order_id,
        status: OrderStatus::Paid.into(),
        total: Some(money("USD", 19_990_000, 360_000_000)),
        create_time: response.create_time,
        decline_reason: String::new(),
    };
    assert_eq!(order, expected);
    assert_eq!(order.total, response.total);
    assert_eq!(get(&client, response.order_id, 123).await.unwrap(), expected);
}

#[tokio::test]
async fn order_of_another_user_is_not_found() {
    let (client, _payment, _order) = start().await;
    let id = create(&client, request()).await.unwrap().order_id;
    for (order_id, user_id) in [(id, 124), (id + 1, 123), (id + 1, 0), (i64::MAX, 0)] {
        let status = get(&client, order_id, user_id).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::NotFound, "order not found"));
        let resource = status.check_error_details().unwrap().resource_info().cloned().unwrap();
        assert_eq!((resource.resource_type.as_str(), resource.owner.as_str()), ("order", ""));
        assert_eq!(resource.resource_name, order_id.to_string());
    }
}

#[tokio::test]
async fn list_is_read_page_by_page() {
    const ORDERS: usize = 120;
    let (client, _payment, _order) = start().await;
    let mut placed = Vec::new();
    let placing: Vec<_> = (0..ORDERS)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { create(&client, request()).await.unwrap().order_id })
        })
        .collect();
    create(&client, CreateOrderRequest { user_id: 124, ..request() }).await.unwrap();
    for order in placing {
        placed.push(order.await.unwrap());
    }
    placed.sort_unstable_by_key(|id| std::cmp::Reverse(*id));
    for (page_size, pages) in
        [(0, vec![50, 50, 20]), (40, vec![40, 40, 40]), (119, vec![119, 1]), (5000, vec![120])]
    {
        let mut request = ListOrdersRequest { user_id: 123, page_size, page_token: String::new() };
        let (mut sizes, mut read) = (Vec::new(), Vec::new());
        loop {
            let page = client.clone().list(request.clone()).await.unwrap().into_inner();
            sizes.push(page.orders.len());
            read.extend(page.orders);
            assert!(read.len() <= ORDERS, "the list does not end");
            request.page_token = page.next_page_token;
            if request.page_token.is_empty() {
                break;
            }
        }
        assert_eq!(sizes, pages);
        assert_eq!(read.iter().map(|order| order.order_id).collect::<Vec<_>>(), placed);
        assert_eq!(read[0], get(&client, placed[0], 123).await.unwrap());
    }
}

#[tokio::test]
async fn page_token_is_valid_for_its_user_only() {
    let (client, _payment, _order) = start().await;
    for _ in 0..2 {
        create(&client, request()).await.unwrap();
    }
    let mut request = ListOrdersRequest { user_id: 123, page_size: 1, page_token: String::new() };
    request.page_token = client.clone().list(request.clone()).await.unwrap().into_inner().next_page_token;
    let theirs = ListOrdersRequest { user_id: 124, ..request.clone() };
    assert_eq!(client.clone().list(theirs).await.unwrap_err().code(), Code::InvalidArgument);
    let rest = client.clone().list(request).await.unwrap().into_inner();
    assert_eq!((rest.orders.len(), rest.next_page_token.as_str()), (1, ""));
}
