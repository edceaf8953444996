//! Rows that a newer program wrote, with a status or a currency that this one does not know: each affects its
//! order alone.

use std::time::Duration;

use order::{
    adapters::db::{DbOrders, DbPrices},
    domain::{Order, Status},
    ports::{FIRST_CHECK, InsertOutcome, Orders},
};
use test_support::{
    Failed, Trial, check,
    order::{always, id, items, key, order_of, user},
    trial,
};

use crate::database_fixture::{Kind, TestDatabase};

pub(crate) fn trials() -> impl Iterator<Item = Trial> {
    Kind::ALL.into_iter().map(|kind| {
        let name = format!("unknown values in {} affect their order alone", kind.name());
        trial(&name, kind.needs(), move || unknown_values(kind))
    })
}

async fn unknown_values(kind: Kind) -> Result<(), Failed> {
    let database = TestDatabase::new(kind).await?;
    let opened = database.open().await?;
    let (orders, prices) = (DbOrders::new(opened.clone()), DbPrices::new(opened));
    let mut written: Vec<Order> = Vec::new();
    for n in 1..=4 {
        let order = order_of(id(n), user(1), key(&format!("k{n}")), &items(2, 12));
        assert_eq!(orders.insert(&order, always()).await, Ok(InsertOutcome::Inserted));
        written.push(order);
    }
    database
        .execute(
            "UPDATE orders SET status = 'REFUNDED' WHERE order_id = 1;
             UPDATE orders SET currency = 'ABC' WHERE order_id = 2;
             UPDATE orders SET next_check_at_ms = 0;
             INSERT INTO prices (product_code, currency, unit_price_minor) VALUES ('a', 'ABC', 1), ('a', 'USD', 2)",
        )
        .await?;
    let refunded = Order { status: Status::Unspecified, ..written[0].clone() };
    let foreign = Order { total: None, items: vec![], ..written[1].clone() };
    let shown = vec![written[3].clone(), written[2].clone(), foreign.clone(), refunded.clone()];

    assert_eq!(orders.list(user(1), None, 50, 1000).await.unwrap().orders, shown);
    for order in &shown {
        assert_eq!(orders.find(order.id).await, Ok(Some(order.clone())));
        assert_eq!(orders.find_by_key(user(1), &order.key).await, Ok(Some(order.clone())));
        assert_eq!(orders.status(order.id).await, Ok(Some(order.status)));
    }
    let due = orders.due(10).await.unwrap();
    let charges: Vec<_> = due.iter().map(|due| (due.order.get(), due.charge)).collect();
    let known = |order: &Order| (order.id.get(), order.charge());
    let mut expected = vec![(2, None), known(&written[2]), known(&written[3])];
    expected.sort_by_key(|(order, _)| *order);
    let mut sorted = charges;
    sorted.sort_by_key(|(order, _)| *order);
    assert_eq!(sorted, expected);
    assert_eq!(orders.claim(due[0].fencing_token(), FIRST_CHECK).await, Ok(true));
    assert!(orders.backlog(10).await.unwrap().oldest > Duration::ZERO);
    assert_eq!(orders.audit_page(0, 10).await.unwrap().len(), 4);

    // A claimed order of a newer program is not settled by this one.
    let settled = order::domain::ChargeOutcome::Charged.settlement(order::domain::Attempts::Shared).unwrap();
    assert_eq!(orders.settle(refunded.fencing_token(), &settled).await, Ok(false));
    let listed = prices.all(None).await.unwrap();
    check(listed.len() == 1, || format!("{listed:?}"))
}
