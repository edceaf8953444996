//! A client that vanishes in the middle of a transaction: the server ends the transaction.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use database::{Connection, Transaction};
use test_support::{Failed, Trial, check, server::Kind};
use tokio::sync::oneshot;

use super::{config, driver, fresh, on, open};
use crate::{fixtures::insert, relay::Relay};

/// Time limit for a write to a row that the vanished client had locked.
const HEALED_MAX: Duration = Duration::from_secs(15);
/// Longer than a write takes whose row is not locked.
const LOCKED_MIN: Duration = Duration::from_secs(2);

pub(super) fn trials(kind: Kind) -> Vec<Trial> {
    vec![on(kind, "the_locks_of_a_vanished_client_are_released", released)]
}

/// Updates a row; then reports that it did, and sends nothing more.
struct Vanishes(std::sync::Mutex<Option<oneshot::Sender<()>>>);

#[async_trait]
impl Transaction for Vanishes {
    type Output = ();

    async fn run(&self, connection: &mut Connection) -> Result<(), sqlx::Error> {
        Update(1).run(connection).await?;
        if let Some(written) = self.0.lock().unwrap().take() {
            written.send(()).unwrap();
        }
        std::future::pending().await
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Update(pub(super) i64);

#[async_trait]
impl Transaction for Update {
    type Output = ();

    fn contention_key(&self) -> Option<u64> {
        u64::try_from(self.0).ok()
    }

    async fn run(&self, connection: &mut Connection) -> Result<(), sqlx::Error> {
        let update = connection.query("UPDATE t SET v = 'changed' WHERE k = ?").bind(self.0);
        update.execute(connection.executor()).await.map(drop)
    }
}

async fn released(kind: Kind) -> Result<(), Failed> {
    let (server, name, direct) = fresh(kind).await?;
    let relay = Relay::start(server.port()).await;
    let direct = open(&direct).await;
    insert(&direct, 1).await?;
    let vanishing = open(&config(driver(kind), &relay.url(&server.url(&name), server.port()))).await;
    let (sender, written) = oneshot::channel();
    let transaction = Vanishes(std::sync::Mutex::new(Some(sender)));
    let mut transaction = std::pin::pin!(vanishing.write(transaction));
    tokio::select! {
        ended = &mut transaction => return Err(format!("{ended:?}").into()),
        written = written => written?,
    }
    // The server sees neither the end of the connection nor a ROLLBACK.
    relay.fall_silent();
    let vanished = Instant::now();
    while direct.write(Update(1)).await.is_err() {
        check(vanished.elapsed() < HEALED_MAX, || "the row is still locked".to_owned())?;
    }
    let took = vanished.elapsed();
    check(took > LOCKED_MIN, || format!("the vanished client locked nothing: {took:?}"))?;
    check(took < HEALED_MAX, || format!("{took:?}"))
}
