//! Two instances of each service over one database.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use test_support::{
    Failed, Trial, check,
    server::{Kind, Server},
    trial,
};

use crate::{
    client::{Client, Wish, books_agree},
    two_stacks, whole,
};

const WISHES: usize = 2000;
const CONCURRENCY: usize = 64;
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn trials(kind: Kind) -> Vec<Trial> {
    let name = format!("{}::two_instances_of_each_service_share_a_database", kind.name());
    vec![trial(&name, &[kind.need()], move || shared(kind))]
}

async fn shared(kind: Kind) -> Result<(), Failed> {
    let server = Server::shared(kind).await?;
    let (order, payment) = (server.new_database().await?, server.new_database().await?);
    let systems = two_stacks(&server, &order, &payment).await?;
    let client = Client::new(systems.iter().map(all_in_one::System::gateway_url));
    let next = Arc::new(AtomicUsize::new(0));
    let workers: Vec<_> = (0..CONCURRENCY)
        .map(|_| {
            let (client, next) = (client.clone(), next.clone());
            tokio::spawn(async move {
                let mut ids = Vec::new();
                loop {
                    let wish = Wish { number: next.fetch_add(1, Ordering::Relaxed) };
                    if wish.number >= WISHES {
                        return ids;
                    }
                    ids.push(client.insist(&wish, PATIENCE).await.expect("settled in time"));
                }
            })
        })
        .collect();
    let mut ids = Vec::new();
    for worker in workers {
        ids.extend(worker.await?);
    }
    let distinct: BTreeSet<i64> = ids.iter().copied().collect();
    check(ids.len() == WISHES && distinct.len() == WISHES, || format!("{} ids", distinct.len()))?;
    for id in distinct {
        for gateway in 0..client.gateways() {
            let (status, body) = client.get(gateway, id).await;
            check(status == 200 && body["status"] == "PAID", || format!("{id}: {status} {body}"))?;
        }
    }
    books_agree(&server, &order, &payment, WISHES).await?;
    for system in systems {
        system.stop().await.map_err(whole)?;
    }
    Ok(())
}
