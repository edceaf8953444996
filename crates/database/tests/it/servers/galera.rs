//! Instances that start at two nodes of a Galera cluster at once.

use std::time::{Duration, Instant};

use database::{Database, OpenError};
use test_support::{
    Failed, Need, Trial, check,
    server::{Galera, Kind, Server},
    trial,
};

use super::{config, first_on_mysql};
use crate::fixtures::{TABLES, count, insert, migrations_of};

/// Rounds, each with a new database.
const ROUNDS: usize = 10;

pub(super) fn trials() -> Vec<Trial> {
    let needs = [Kind::MariaDb.need(), Need::Galera];
    let name = "servers::galera::instances_that_start_at_two_nodes_at_once_migrate_once";
    vec![trial(name, &needs, at_two_nodes)]
}

/// A third migration that takes a moment, and is wrong if two processes run it.
const SLOW: &str = "DO SLEEP(0.3); INSERT INTO t (k, v) SELECT COUNT(*), 'migrated' FROM t";
const SECOND: &str = "CREATE TABLE IF NOT EXISTS u (k BIGINT PRIMARY KEY)";

async fn at_two_nodes() -> Result<(), Failed> {
    let cluster = Galera::start().await?;
    let schema = migrations_of(&[first_on_mysql(), SECOND, SLOW], TABLES);
    for round in 0..ROUNDS {
        let name = format!("round_{round}");
        cluster.nodes[0].create_database(&name).await?;
        exists(&cluster.nodes[1], &name).await?;
        let open = |node: usize| {
            let config = config("mysql", &cluster.nodes[node].url(&name));
            tokio::spawn(async move { Database::open(&config, schema).await })
        };
        let mut opened = Vec::new();
        for opening in [open(0), open(1), open(0), open(1)] {
            opened.push(opening.await?);
        }
        let failed: Vec<&OpenError> = opened.iter().filter_map(|opened| opened.as_ref().err()).collect();
        check(failed.is_empty(), || format!("round {round}: {failed:?}"))?;
        let database = opened.swap_remove(0)?;
        check(count(&database).await == 1, || format!("round {round}: the migration ran twice"))?;
        insert(&database, 100).await?;
    }
    Ok(())
}

/// Waits until the node has the database.
async fn exists(node: &Server, name: &str) -> Result<(), Failed> {
    let deadline = Instant::now() + Duration::from_secs(10);
    while let Err(error) = node.execute(name, "SELECT 1").await {
        if Instant::now() >= deadline {
            return Err(error);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}
