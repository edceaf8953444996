//! Orders read back over the wire.

use proto::order::{
    CreateOrderRequest, GetOrderRequest, GetOrderResponse, ListOrdersRequest, OrderItem, OrderStatus,
};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::{
    Client, house,
    orders::{create, item, money, request},
};

async fn get(client: &Client, order_id: i64, user_id: i64) -> Result<GetOrderResponse, Status> {
    let asked = GetOrderRequest { order_id, user_id };
    client.clone().get(asked).await.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn an_order_reads_back_as_it_was_sent_and_as_old_clients_know_it() {
    let (client, _payment, _house) = house().await;
    let sent = CreateOrderRequest {
        order_items: vec![
            item("sku1", 0.12, 3),
            OrderItem { price: Some(money("USD", 19, 990_000_000)), ..item("😀 2", 0.0, 1_000_000) },
            item("free", 0.0, 1),
        ],
        ..request()
    };
    let answer = create(&client, sent).await.unwrap();
    let order = get(&client, answer.order_id, 0).await.unwrap();
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
        order_id: answer.order_id,
        status: OrderStatus::Paid.into(),
        total: Some(money("USD", 19_990_000, 360_000_000)),
        create_time: answer.create_time,
        decline_reason: String::new(),
    };
    assert_eq!(order, expected);
    assert_eq!(order.total, answer.total);
    assert_eq!(get(&client, answer.order_id, 123).await.unwrap(), expected);
}

#[tokio::test]
async fn another_users_order_looks_like_one_that_is_not_there() {
    let (client, _payment, _house) = house().await;
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
async fn a_list_of_many_orders_is_read_page_by_page() {
    const ORDERS: usize = 120;
    let (client, _payment, _house) = house().await;
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
        let mut asked = ListOrdersRequest { user_id: 123, page_size, page_token: String::new() };
        let (mut sizes, mut read) = (Vec::new(), Vec::new());
        loop {
            let page = client.clone().list(asked.clone()).await.unwrap().into_inner();
            sizes.push(page.orders.len());
            read.extend(page.orders);
            assert!(read.len() <= ORDERS, "the list does not end");
            asked.page_token = page.next_page_token;
            if asked.page_token.is_empty() {
                break;
            }
        }
        assert_eq!(sizes, pages);
        assert_eq!(read.iter().map(|order| order.order_id).collect::<Vec<_>>(), placed);
        assert_eq!(read[0], get(&client, placed[0], 123).await.unwrap());
    }
}

#[tokio::test]
async fn a_page_token_is_of_its_user_alone() {
    let (client, _payment, _house) = house().await;
    for _ in 0..2 {
        create(&client, request()).await.unwrap();
    }
    let mut asked = ListOrdersRequest { user_id: 123, page_size: 1, page_token: String::new() };
    asked.page_token = client.clone().list(asked.clone()).await.unwrap().into_inner().next_page_token;
    let theirs = ListOrdersRequest { user_id: 124, ..asked.clone() };
    assert_eq!(client.clone().list(theirs).await.unwrap_err().code(), Code::InvalidArgument);
    let rest = client.clone().list(asked).await.unwrap().into_inner();
    assert_eq!((rest.orders.len(), rest.next_page_token.as_str()), (1, ""));
}
