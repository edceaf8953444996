//! A schema that changes under prepared statements: no statement fails.

use test_support::{Failed, Trial, check, server::Kind};
use tokio::sync::watch;

use super::{fresh, on, open};
use crate::fixtures::{Insert, Select, at_once, insert};

pub(super) fn trials(kind: Kind) -> Vec<Trial> {
    let mut trials = vec![on(kind, "a_change_of_a_columns_type_fails_no_statement", changed_type)];
    // MariaDB has no statement that discards those of the binary protocol.
    if kind == Kind::Postgres {
        trials.push(on(kind, "statements_that_the_server_has_lost_are_prepared_again", lost_statements));
    }
    trials
}

async fn changed_type(kind: Kind) -> Result<(), Failed> {
    let (server, name, config) = fresh(kind).await?;
    let database = open(&config).await;
    // Every connection of the pool has prepared both statements.
    at_once(&database, (0..32).map(Insert::of).collect()).await;
    let read = || database.read(Select("SELECT v, k FROM t WHERE k = 7"));
    futures_util::future::try_join_all((0..32).map(|_| read())).await?;
    let (rounds, watched) = watch::channel(0);
    let changes = async {
        let mut watched = watched;
        for column_type in ["VARCHAR(40)", "TEXT", "VARCHAR(60)", "VARCHAR(80)"] {
            let change = match kind {
                Kind::MariaDb => format!("ALTER TABLE t MODIFY v {column_type}"),
                Kind::Postgres => format!("ALTER TABLE t ALTER v TYPE {column_type}"),
            };
            server.execute(&name, &change).await?;
            let round = *watched.borrow();
            watched.wait_for(|now| *now > round + 2).await?;
        }
        Ok::<_, Failed>(())
    };
    let statements = async {
        for key in 100.. {
            let values = futures_util::future::try_join_all((0..8).map(|_| read())).await?;
            check(values.iter().all(|value| value.as_deref() == Some("v")), || format!("{values:?}"))?;
            insert(&database, key).await?;
            rounds.send_modify(|round| *round += 1);
        }
        Ok::<_, Failed>(())
    };
    tokio::select! {
        changed = changes => changed,
        failed = statements => failed,
    }
}

/// As after a switch of the pool in front of the server: the session stays, its statements are gone.
async fn lost_statements(kind: Kind) -> Result<(), Failed> {
    let (_server, _, mut config) = fresh(kind).await?;
    config.connections_max = 1;
    let database = open(&config).await;
    insert(&database, 1).await?;
    database.read(Select("SELECT COUNT(*) FROM t")).await?;
    database.write(Discard).await?;
    insert(&database, 2).await?;
    database.write(Discard).await?;
    let rows = database.read(Select("SELECT COUNT(*) FROM t")).await?;
    check(rows.as_deref() == Some("2"), || format!("{rows:?}"))
}

/// Deallocates the prepared statements of its session.
struct Discard;

#[async_trait::async_trait]
impl database::Transaction for Discard {
    type Output = ();

    async fn run(&self, connection: &mut database::Connection) -> Result<(), sqlx::Error> {
        sqlx::Executor::execute(connection.executor(), "DEALLOCATE ALL").await.map(drop)
    }
}
