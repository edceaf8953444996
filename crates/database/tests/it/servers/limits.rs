//! Servers, roles and databases without a free connection at start.

use std::time::Duration;

use database::{Config, Database, OpenError};
use sqlx::{AnyConnection, Connection as _};
use test_support::{
    Failed, Trial, check,
    server::{Kind, Server},
};

use super::{config, driver, fresh, on};
use crate::fixtures::{FIRST, migrations};

pub(super) fn trials(kind: Kind) -> Vec<Trial> {
    vec![
        on(kind, "opening_waits_for_a_connection_of_its_user_or_database", of_the_account),
        on(kind, "opening_waits_for_a_connection_that_is_not_reserved", of_the_server),
    ]
}

/// Limits of one user or database, as the statements that set them.
fn limits(kind: Kind, name: &str) -> Vec<String> {
    match kind {
        Kind::MariaDb => vec![format!(
            "CREATE USER 'limited'@'%' IDENTIFIED BY 'w' WITH MAX_USER_CONNECTIONS 3;
             GRANT ALL ON {name}.* TO 'limited'@'%'"
        )],
        Kind::Postgres => vec![
            format!(
                "CREATE ROLE limited LOGIN PASSWORD 'w' CONNECTION LIMIT 3; GRANT ALL ON SCHEMA public TO limited"
            ),
            format!("ALTER ROLE limited CONNECTION LIMIT -1; ALTER DATABASE {name} CONNECTION LIMIT 3"),
        ],
    }
}

async fn of_the_account(kind: Kind) -> Result<(), Failed> {
    let (server, name, _) = fresh(kind).await?;
    for limit in limits(kind, &name) {
        server.execute(&name, &limit).await?;
        let url = format!("{}://limited:w@127.0.0.1:{}/{name}", driver(kind), server.port());
        waits(&config(driver(kind), &url), &url, 3).await?;
    }
    Ok(())
}

async fn of_the_server(kind: Kind) -> Result<(), Failed> {
    let options: &[&str] = match kind {
        Kind::MariaDb => &["--max-connections=10", "--max-user-connections=4"],
        Kind::Postgres => &["-c", "max_connections=7", "-c", "superuser_reserved_connections=3"],
    };
    let server = Server::start_with(kind, options).await?;
    server.create_database("d").await?;
    let user = match kind {
        Kind::MariaDb => "CREATE USER 'limited'@'%' IDENTIFIED BY 'w'; GRANT ALL ON d.* TO 'limited'@'%'",
        Kind::Postgres => "CREATE ROLE limited LOGIN PASSWORD 'w'; GRANT ALL ON SCHEMA public TO limited",
    };
    server.execute("d", user).await?;
    let url = format!("{}://limited:w@127.0.0.1:{}/d", driver(kind), server.port());
    waits(&config(driver(kind), &url), &url, 4).await
}

/// Opens the database while `count` connections use up the limit, and after they are closed.
async fn waits(config: &Config, url: &str, count: usize) -> Result<(), Failed> {
    sqlx::any::install_default_drivers();
    let mut others = Vec::new();
    for _ in 0..count {
        others.push(AnyConnection::connect(url).await?);
    }
    let at_once = Config { wait: Duration::ZERO, ..config.clone() };
    let refused = Database::open(&at_once, migrations(&[FIRST])).await;
    check(matches!(refused, Err(OpenError::Connect { .. })), || format!("{refused:?}"))?;
    let config = config.clone();
    let opening = tokio::spawn(async move { Database::open(&config, migrations(&[FIRST])).await });
    tokio::time::sleep(Duration::from_millis(500)).await;
    check(!opening.is_finished(), || "it did not wait".to_owned())?;
    for other in others {
        other.close().await?;
    }
    opening.await??.close().await;
    Ok(())
}
