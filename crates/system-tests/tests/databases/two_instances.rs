//! Two instances of each service over one database.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use all_in_one::System;
use system_tests::client::Client;
use test_support::{
    Failed, Trial, check,
    server::{Kind, Server},
    trial,
};
use tokio::task::JoinSet;

use crate::{
    orders::{check_databases, check_paid, new_order, place},
    start_two_systems, with_causes,
};

const ORDERS: usize = 2000;
const CONCURRENCY: usize = 64;
const SETTLED_MAX: Duration = Duration::from_secs(60);

pub(crate) fn trials(kind: Kind) -> Vec<Trial> {
    let name = format!("{}::two_instances_of_each_service_share_a_database", kind.name());
    vec![trial(&name, &[kind.need()], move || share_a_database(kind))]
}

async fn share_a_database(kind: Kind) -> Result<(), Failed> {
    let server = Server::shared(kind).await?;
    let (order, payment) = (server.new_database().await?, server.new_database().await?);
    let systems = start_two_systems(&server, &order, &payment).await?;
    let client = Client::new(systems.iter().map(System::gateway_url));
    let next_number = Arc::new(AtomicUsize::new(0));
    let mut workers = JoinSet::new();
    for _ in 0..CONCURRENCY {
        let (client, next_number) = (client.clone(), next_number.clone());
        workers.spawn(async move {
            let mut ids = Vec::new();
            loop {
                let number = next_number.fetch_add(1, Ordering::Relaxed);
                if number >= ORDERS {
                    return ids;
                }
                let mut order = new_order(number);
                let id = place(&client, &mut order, SETTLED_MAX).await;
                ids.push(id.unwrap_or_else(|| panic!("not settled: {order:?}")));
            }
        });
    }
    let ids: Vec<i64> = workers.join_all().await.concat();
    let distinct: BTreeSet<i64> = ids.iter().copied().collect();
    check(ids.len() == ORDERS && distinct.len() == ORDERS, || format!("{} ids", distinct.len()))?;
    for id in distinct {
        for gateway in 0..client.gateways() {
            check_paid(&client, gateway, id).await?;
        }
    }
    check_databases(&server, &order, &payment, ORDERS).await?;
    for system in systems {
        system.stop().await.map_err(with_causes)?;
    }
    Ok(())
}
