//! Connections that are cut after a number of bytes, in each direction, on each link.

use std::time::Instant;

use system_tests::client::History;
use test_support::{Failed, Trial, check};

use super::{WAIT_MAX, finish, run_all};
use crate::{
    cluster::{Cluster, ClusterConfig, Link},
    db_snapshot::DatabaseKind,
    proxy::Direction,
};

const LINKS: &[Link] = &[
    Link::ClientToGateway,
    Link::GatewayToOrder,
    Link::OrderToPayment,
    Link::OrderToDatabase,
    Link::PaymentToDatabase,
];
/// SQLite has no links to a database.
const SQLITE_LINKS: usize = 3;
/// The bytes before the cut: none, a part of a frame's head, parts of an order's messages.
const BYTES: [usize; 6] = [0, 5, 40, 150, 400, 900];

pub(super) fn trial(database: DatabaseKind) -> Trial {
    let name = format!("{}::crashes::connection_cuts", database.name());
    let links = if database == DatabaseKind::Sqlite { &LINKS[..SQLITE_LINKS] } else { LINKS };
    crate::shared(&name, &database.needs(), move || run_all(links, move |link| cut(database, link)))
}

async fn cut(database: DatabaseKind, link: Link) -> Result<(), Failed> {
    let cluster = Cluster::start(ClusterConfig::new(database).proxied()).await?;
    let mut histories = Vec::new();
    for direction in [Direction::ToServer, Direction::ToClient] {
        for bytes in BYTES {
            let mut history = History::new(1, format!("{direction:?}-{bytes}"), super::MINOR);
            let proxy = cluster.proxies_on(link).next().ok_or("no such proxy")?;
            proxy.cut_after(direction, bytes);
            let is_final = cluster.client.retry_until_final(&mut history, Instant::now() + WAIT_MAX).await;
            check(is_final, || format!("cut after {bytes} bytes {direction:?}: {history:?}"))?;
            proxy.heal();
            histories.push(history);
        }
    }
    let cuts: usize = cluster.proxies_on(link).map(|proxy| proxy.cuts()).sum();
    check(cuts >= BYTES.len(), || format!("only {cuts} connections were cut"))?;
    finish(cluster, &histories).await
}
