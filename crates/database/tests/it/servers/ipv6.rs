//! Servers at an IPv6 address; connections to MySQL go through the relay.

use std::{path::Path, time::Duration};

use database::{Config, Database, DatabaseUrl, OpenError, WriteError};
use test_support::{
    Failed, Need, Trial, check,
    server::{Kind, Server},
    succeed, trial,
};
use tokio::{
    process::Command,
    time::{Instant, sleep},
};

use super::{config, driver, open};
use crate::fixtures::{FIRST, Insert, Select, at_once, count, insert, migrations};

const PASSWORD: &str = "hunter2@[::1]:1/";
/// Time limit for a server to notice closed connections.
const CLOSED_MAX: Duration = Duration::from_secs(5);

pub(super) fn trials(kind: Kind) -> Vec<Trial> {
    let needs = [kind.need(), Need::Ipv6];
    let on = |name: &str| format!("servers::{}::{name}", kind.name());
    let mut trials = vec![
        trial(&on("a_server_at_an_ipv6_address_is_usable"), &needs, move || used(kind)),
        trial(&on("a_server_at_an_ipv6_address_recovers_after_a_kill"), &needs, move || gone(kind)),
    ];
    if kind == Kind::MariaDb {
        let needs = [kind.need(), Need::Ipv6, Need::Openssl];
        trials.push(trial(&on("tls_works_with_a_server_at_an_ipv6_address"), &needs, encrypted));
    }
    trials
}

/// A server that listens only at `::1`, and configurations for it.
async fn own(kind: Kind) -> Result<(Server, Vec<Config>), Failed> {
    own_with(kind, &[]).await
}

async fn own_with(kind: Kind, more_options: &[&str]) -> Result<(Server, Vec<Config>), Failed> {
    let (options, user): (&[&str], String) = match kind {
        Kind::MariaDb => (
            &["--bind-address=::1"],
            format!("CREATE USER orders@'::1' IDENTIFIED BY '{PASSWORD}'; GRANT ALL ON d.* TO orders@'::1'"),
        ),
        Kind::Postgres => {
            (&["-c", "listen_addresses=::1"], format!("ALTER USER orders PASSWORD '{PASSWORD}'"))
        }
    };
    let server = Server::start_with(kind, &[options, more_options].concat()).await?;
    server.create_database("d").await?;
    server.execute("d", &user).await?;
    let (scheme, port) = (driver(kind), server.port());
    let mut urls = vec![format!("{scheme}://orders:hunter2%40%5B%3A%3A1%5D%3A1%2F@[::1]:{port}/d")];
    if kind == Kind::MariaDb {
        urls.push(format!("orders:{PASSWORD}@tcp([::1]:{port})/d?timeout=5s&charset=utf8mb4"));
    }
    let configs = urls.iter().map(|url| config(scheme, url)).collect();
    Ok((server, configs))
}

async fn used(kind: Kind) -> Result<(), Failed> {
    let (server, configs) = own(kind).await?;
    let mut written = 0;
    for (config, first) in configs.iter().zip((0..).step_by(100)) {
        let database = open(config).await;
        let results = at_once(&database, (first..first + 64).map(Insert::of).collect()).await;
        check(results.iter().all(Result::is_ok), || format!("{results:?}"))?;
        written += 64;
        check(count(&database).await == written, || format!("not {written} rows"))?;
        check(connected(&server).await? > 0, || "no connection of this user".to_owned())?;
        database.close().await;
        no_connections(&server).await?;
    }
    let url = format!("{}://orders:hunter3@[::1]:{}/d", driver(kind), server.port());
    let refused = Config::new(DatabaseUrl::parse(driver(kind), &url)?);
    let error = open_error(Database::open(&refused, migrations(&[FIRST])).await)?;
    check(error.to_lowercase().contains("password") || error.contains("Access denied"), || error.clone())
}

async fn gone(kind: Kind) -> Result<(), Failed> {
    let (server, mut configs) = own(kind).await?;
    let databases = [open(&configs[0]).await, open(&configs[configs.len() - 1]).await];
    insert(&databases[0], 1).await?;
    server.kill()?;
    for database in &databases {
        let error = insert(database, 2).await.unwrap_err();
        let texts = format!("{error} {error:?}");
        check(matches!(error, WriteError::NotStarted(_)) && texts.contains("refused"), || texts.clone())?;
        check(!texts.contains("hunter"), || texts.clone())?;
    }
    for config in &mut configs {
        config.wait = Duration::ZERO;
        let error = open_error(Database::open(config, migrations(&[FIRST])).await)?;
        let address = format!("@[::1]:{}/d", server.port());
        check(error.contains(&address) && error.contains("refused"), || error.clone())?;
        config.wait = Duration::from_secs(30);
    }
    let waiting = Database::open(&configs[0], migrations(&[FIRST]));
    let (opened, restarted) = tokio::join!(waiting, server.restart());
    restarted?;
    insert(&opened?, 3).await?;
    for (database, key) in databases.iter().zip(4..) {
        insert(database, key).await?;
        check(count(database).await == key - 1, || format!("before {key}"))?;
    }
    Ok(())
}

async fn encrypted() -> Result<(), Failed> {
    let files = tempfile::tempdir()?;
    certify(files.path()).await?;
    let path = |name: &str| files.path().join(name).display().to_string();
    let options = [format!("--ssl-cert={}", path("cert.pem")), format!("--ssl-key={}", path("key.pem"))];
    let (server, configs) = own_with(Kind::MariaDb, &options.each_ref().map(String::as_str)).await?;
    let url = format!("mysql://orders:hunter2%40%5B%3A%3A1%5D%3A1%2F@[::1]:{}/d", server.port());
    let authority = format!("{url}?ssl-mode=VERIFY_CA&ssl-ca={}", path("ca.pem"));
    let configs = configs.into_iter().chain([config("mysql", &authority)]);
    for config in configs {
        let encrypted = open(&config).await.read(Select(IS_ENCRYPTED)).await?;
        check(encrypted.as_deref() == Some("yes"), || format!("{config:?}: {encrypted:?}"))?;
    }
    let unknown = config("mysql", &format!("{url}?ssl-mode=VERIFY_CA"));
    let error = open_error(Database::open(&unknown, migrations(&[FIRST])).await)?;
    check(error.contains("certificate"), || error.clone())
}

const IS_ENCRYPTED: &str = "SELECT CASE variable_value WHEN '' THEN 'no' ELSE 'yes' END
     FROM information_schema.session_status WHERE variable_name = 'SSL_CIPHER'";

/// Creates an authority (`ca.pem`) and a certificate (`cert.pem`, `key.pem`) for a name that is not dialled.
async fn certify(directory: &Path) -> Result<(), Failed> {
    let authority = "-keyout ca.key -out ca.pem -subj /CN=authority";
    let server = "-keyout key.pem -out cert.pem -subj /CN=server -CA ca.pem -CAkey ca.key \
                  -addext basicConstraints=critical,CA:FALSE -addext subjectAltName=DNS:db.example";
    for certificate in [authority, server] {
        let mut openssl = Command::new("openssl");
        openssl.args("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes".split(' '));
        openssl.args(certificate.split_whitespace()).current_dir(directory);
        succeed(&mut openssl).await?;
    }
    Ok(())
}

/// The message of a failed connection, without a password.
fn open_error(opened: Result<Database, OpenError>) -> Result<String, Failed> {
    let Err(error) = opened else { return Err("it was opened".into()) };
    let all = format!("{error} {error:?}");
    check(matches!(error, OpenError::Connect { .. }) && !all.contains("hunter"), || all.clone())?;
    Ok(error.to_string())
}

async fn connected(server: &Server) -> Result<u32, Failed> {
    let sql = match server.kind() {
        Kind::MariaDb => "SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'orders'",
        Kind::Postgres => "SELECT COUNT(*) FROM pg_stat_activity WHERE client_addr IS NOT NULL",
    };
    Ok(server.execute("", sql).await?.trim().parse()?)
}

/// Waits until the server has closed the connections of its clients.
async fn no_connections(server: &Server) -> Result<(), Failed> {
    let deadline = Instant::now() + CLOSED_MAX;
    while connected(server).await? > 0 {
        check(Instant::now() < deadline, || "a connection is still open".to_owned())?;
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
