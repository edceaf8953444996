//! Servers that are demoted while they have connections, users who may not write, and old connections.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use database::{Config, Database, DatabaseUrl, WriteError};
use service_kit::admin::Readiness;
use test_support::{
    Failed, Trial, check,
    server::{Kind, Server},
};
use tokio::sync::watch::Receiver;

use super::{config, driver, fresh, on, open};
use crate::{
    fixtures::{FIRST, Insert, Select, at_once, count, insert, migrations},
    relay::Relay,
};

/// Time limit for reading a row that was written to the new server.
const STALE_MAX: Duration = Duration::from_secs(10);

pub(super) fn trials(kind: Kind) -> Vec<Trial> {
    vec![
        on(kind, "a_write_to_a_demoted_server_succeeds_on_the_new_one", writes_follow),
        on(kind, "reads_leave_a_demoted_server", reads_follow),
        on(kind, "a_demoted_server_is_not_ready_and_serves_reads", not_ready),
        on(kind, "a_user_who_may_not_write_is_not_ready", may_not_write),
        on(kind, "a_connection_ends_with_its_lifetime", lifetime),
    ]
}

/// Two servers with the same schema, and a database on the first by a relay.
struct Pair {
    old: Server,
    new: Server,
    relay: Relay,
    database: Database,
    /// The database on the new server.
    direct: Database,
}

impl Pair {
    async fn start(kind: Kind) -> Result<Self, Failed> {
        let (old, new) = tokio::try_join!(Server::start(kind), Server::start(kind))?;
        old.create_database("orders").await?;
        new.create_database("orders").await?;
        let relay = Relay::start(old.port()).await;
        let by_relay = config(driver(kind), &relay.url(&old.url("orders"), old.port()));
        let direct = config(driver(kind), &new.url("orders"));
        Ok(Self { database: open(&by_relay).await, direct: open(&direct).await, old, new, relay })
    }

    /// Makes the old server read-only; its connections stay open. New ones reach the new server.
    async fn switch_over(&self) -> Result<(), Failed> {
        set_read_only(&self.old, true).await?;
        self.relay.redirect(self.new.port());
        Ok(())
    }
}

async fn set_read_only(server: &Server, read_only: bool) -> Result<(), Failed> {
    let sql = match server.kind() {
        Kind::MariaDb => format!("SET GLOBAL read_only = {}", u8::from(read_only)),
        Kind::Postgres => {
            let setting = if read_only { "on" } else { "off" };
            format!("ALTER SYSTEM SET default_transaction_read_only = {setting};\nSELECT pg_reload_conf();")
        }
    };
    server.execute("", &sql).await.map(drop)
}

/// A user without MariaDB's right to write to a read-only server, which the tests' administrator has.
async fn ordinary_user(server: &Server, rights: &str) -> Result<Config, Failed> {
    let sql = match server.kind() {
        Kind::MariaDb => format!(
            "CREATE OR REPLACE USER plain@'%' IDENTIFIED BY 'pw';\nGRANT {rights} ON orders.* TO plain@'%';"
        ),
        Kind::Postgres => {
            format!(
                "CREATE USER plain PASSWORD 'pw';\nGRANT {rights} ON ALL TABLES IN SCHEMA public TO plain;"
            )
        }
    };
    server.execute("orders", &sql).await?;
    let scheme = driver(server.kind());
    let url = format!("{scheme}://plain:pw@127.0.0.1:{}/orders", server.port());
    Ok(Config::new(DatabaseUrl::parse(scheme, &url)?))
}

/// A new server, and its database as opened by a user with `rights`.
async fn as_ordinary_user(kind: Kind, rights: &str) -> Result<(Server, Database), Failed> {
    let server = Server::start(kind).await?;
    server.create_database("orders").await?;
    open(&config(driver(kind), &server.url("orders"))).await.close().await;
    let database = open(&ordinary_user(&server, rights).await?).await;
    Ok((server, database))
}

async fn writes_follow(kind: Kind) -> Result<(), Failed> {
    let pair = Pair::start(kind).await?;
    let (server, database) = (&pair.old, &pair.database);
    // Every connection of the pool is open.
    let before = at_once(database, (0..32).map(Insert::of).collect()).await;
    check(before.iter().all(Result::is_ok), || format!("{before:?}"))?;
    pair.switch_over().await?;
    let started = Instant::now();
    let after = at_once(database, (100..132).map(Insert::of).collect()).await;
    // MariaDB's administrator may still write to the old server, until its connections are checked.
    let written = |result: &Result<i64, WriteError>| result.is_ok();
    check(after.iter().all(written), || format!("{after:?}"))?;
    while insert(database, 200 + i64::try_from(started.elapsed().as_millis())?).await.is_err()
        || count(&pair.direct).await == 0
    {
        check(started.elapsed() < STALE_MAX, || "the new server got no write".to_owned())?;
    }
    let rows = server.execute("orders", "SELECT COUNT(*) FROM t").await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let late = at_once(database, (1000..1032).map(Insert::of).collect()).await;
    check(late.iter().all(written), || format!("{late:?}"))?;
    let then = server.execute("orders", "SELECT COUNT(*) FROM t").await?;
    check(rows == then, || format!("rows of the demoted server: {rows}, later {then}"))
}

async fn reads_follow(kind: Kind) -> Result<(), Failed> {
    let pair = Pair::start(kind).await?;
    let database = &pair.database;
    at_once(database, (0..32).map(Insert::of).collect()).await;
    pair.switch_over().await?;
    insert(&pair.direct, 7).await?;
    let started = Instant::now();
    // Reads alone, without a pause, so that no connection is ever idle for long.
    let rows = "SELECT COUNT(*) FROM t";
    loop {
        let counts = futures_util::future::try_join_all((0..32).map(|_| database.read(Select(rows)))).await?;
        if counts.iter().all(|count| count.as_deref() == Some("1")) {
            return Ok(());
        }
        check(started.elapsed() < STALE_MAX, || format!("reads of the demoted server: {counts:?}"))?;
    }
}

async fn becomes(conditions: &mut Receiver<BTreeMap<&'static str, bool>>, ready: bool) -> Result<(), Failed> {
    let changed = conditions.wait_for(|conditions| conditions.get("database") == Some(&ready));
    tokio::time::timeout(STALE_MAX, changed).await.map_err(|_| format!("readiness is not {ready}"))??;
    Ok(())
}

async fn not_ready(kind: Kind) -> Result<(), Failed> {
    let (server, database) = as_ordinary_user(kind, "SELECT, INSERT, UPDATE, DELETE").await?;
    let readiness = Readiness::default();
    let mut conditions = readiness.subscribe();
    let health_check = database.spawn_health_check(readiness.clone());
    becomes(&mut conditions, true).await?;
    at_once(&database, (0..32).map(Insert::of).collect()).await;
    set_read_only(&server, true).await?;
    becomes(&mut conditions, false).await?;
    check(readiness.unmet_with_reasons() == ["database (read-only)"], || {
        format!("{:?}", readiness.unmet_with_reasons())
    })?;
    for key in 100..132 {
        let error = insert(&database, key).await.unwrap_err();
        check(matches!(error, WriteError::NotStarted(_) | WriteError::Refused(_)), || format!("{error:?}"))?;
        check(count(&database).await == 32, || "a read failed".to_owned())?;
    }
    set_read_only(&server, false).await?;
    becomes(&mut conditions, true).await?;
    insert(&database, 200).await?;
    health_check.abort();
    Ok(())
}

async fn may_not_write(kind: Kind) -> Result<(), Failed> {
    let (_server, database) = as_ordinary_user(kind, "SELECT").await?;
    let readiness = Readiness::default();
    let mut conditions = readiness.subscribe();
    let health_check = database.spawn_health_check(readiness.clone());
    becomes(&mut conditions, false).await?;
    check(readiness.unmet_with_reasons() == ["database (its user may not write)"], || {
        format!("{:?}", readiness.unmet_with_reasons())
    })?;
    health_check.abort();
    Ok(())
}

async fn lifetime(kind: Kind) -> Result<(), Failed> {
    let (_server, _, mut config) = fresh(kind).await?;
    (config.connections_max, config.connection_lifetime) = (1, Duration::from_millis(500));
    let database = Database::open(&config, migrations(&[FIRST])).await?;
    let session = match kind {
        Kind::MariaDb => "SELECT CAST(CONNECTION_ID() AS SIGNED)",
        Kind::Postgres => "SELECT CAST(pg_backend_pid() AS BIGINT)",
    };
    let (first, started) = (database.read(Select(session)).await?, Instant::now());
    while database.read(Select(session)).await? == first {
        check(started.elapsed() < STALE_MAX, || "the connection stays open".to_owned())?;
    }
    check(started.elapsed() > Duration::from_millis(200), || format!("after {:?}", started.elapsed()))
}
