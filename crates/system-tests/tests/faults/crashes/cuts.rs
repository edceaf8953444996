//! Connections that are cut after so many bytes, one way or the other, between each pair of processes.

use std::time::{Duration, Instant};

use test_support::{Failed, Trial, check};

use super::{all, conclude};
use crate::{
    books::On,
    customer::Record,
    house::{Between, House, Plan},
    proxy::Way,
};

const PAIRS: &[Between] = &[
    Between::CustomerAndGateway,
    Between::GatewayAndOrder,
    Between::OrderAndPayment,
    Between::OrderAndDatabase,
    Between::PaymentAndDatabase,
];
const FILES_HAVE: usize = 3;
/// How many bytes pass before the cut: none, part of a frame's head, parts of what an order takes.
const BYTES: [usize; 6] = [0, 5, 40, 150, 400, 900];
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) fn trial(on: On) -> Trial {
    let name = format!("{}::crashes::connections_are_cut_after_any_byte", on.name());
    let pairs = if on == On::Sqlite { &PAIRS[..FILES_HAVE] } else { PAIRS };
    crate::shared(&name, &on.needs(), move || all(pairs, move |pair| cut(on, pair)))
}

async fn cut(on: On, pair: Between) -> Result<(), Failed> {
    let house = House::build(Plan::on(on).proxied()).await?;
    let mut records = Vec::new();
    for way in [Way::Out, Way::Back] {
        for bytes in BYTES {
            let mut record = Record::of(1, format!("{way:?}-{bytes}"), super::MINOR);
            let proxy = house.between(pair).next().ok_or("no such proxy")?;
            proxy.cut_after(way, bytes);
            let ended = house.customers.insist(&mut record, Instant::now() + PATIENCE).await;
            check(ended, || format!("after {bytes} bytes {way:?}, not ended: {record:?}"))?;
            proxy.heal();
            records.push(record);
        }
    }
    let cuts: usize = house.between(pair).map(|proxy| proxy.cuts()).sum();
    check(cuts >= BYTES.len(), || format!("only {cuts} connections were cut"))?;
    conclude(house, &records).await
}
