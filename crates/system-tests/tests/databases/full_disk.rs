//! SQLite files on a disk that is full, and on one that is read-only.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use all_in_one::{Options, System};
use database::{Config, Database, DatabaseUrl};
use sqlx::{AnyConnection, Connection};
use system_tests::client::Client;
use test_support::{Failed, Need, Trial, check, trial};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    orders::{check_paid, new_order, place},
    with_causes,
};

/// How long an order may take on a busy machine.
const SETTLED_MAX: Duration = Duration::from_secs(60);
/// How long a system that has stopped may take to close its files.
const CLOSED_MAX: Duration = Duration::from_secs(10);

/// How soon a full disk shows in the readiness: the interval of its check is 5 s.
const NOTICED_MAX: Duration = Duration::from_secs(15);

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("full_disk::rejects_truthfully_and_loses_nothing", &[Need::Mounts], full),
        trial("full_disk::read_only_disk_fails_the_start_and_keeps_orders", &[Need::Mounts], read_only),
    ]
}

/// A file system in memory; unmounted when dropped.
struct Disk {
    directory: tempfile::TempDir,
}

impl Disk {
    fn mount() -> Result<Self, Failed> {
        let disk = Self { directory: tempfile::tempdir()? };
        disk.run("mount", &["-t", "tmpfs", "-o", "size=4m", "tmpfs"])?;
        Ok(disk)
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Result<(), Failed> {
        let status = Command::new(program).args(arguments).arg(self.directory.path()).status()?;
        check(status.success(), || format!("{program} {arguments:?}: {status}"))
    }

    /// Retries until no file is open for writing: sqlx's threads close theirs a moment after the system has
    /// stopped.
    async fn make_read_only(&self) -> Result<(), Failed> {
        let started = Instant::now();
        loop {
            let remounted = self.run("mount", &["-o", "remount,ro"]);
            if remounted.is_ok() || started.elapsed() > CLOSED_MAX {
                return remounted;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Fills the disk with a file; returns its path.
    fn fill(&self) -> Result<PathBuf, Failed> {
        let filler = self.directory.path().join("filler");
        let mut size = 4 << 20;
        let mut file = fs::File::create(&filler)?;
        while size > 0 {
            if std::io::Write::write_all(&mut file, &vec![0; size]).is_err() {
                size /= 2;
            }
        }
        Ok(filler)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = self.run("umount", &["--lazy"]);
    }
}

async fn start(disk: &Disk) -> Result<System, Failed> {
    System::start_with(options(disk)).await.map_err(with_causes)
}

fn options(disk: &Disk) -> Options {
    Options { data: Some(disk.data()), ..Options::default() }.var("PAYMENT_CREDIT_LIMIT", 1_000_000)
}

async fn full() -> Result<(), Failed> {
    let disk = Disk::mount()?;
    let system = start(&disk).await?;
    let client = Client::new([system.gateway_url()]);
    let before = place(&client, &mut new_order(0), SETTLED_MAX).await.ok_or("no order on an empty disk")?;
    let filler = disk.fill()?;
    let (mut failed, mut not_started) = (0, Vec::new());
    for number in 1..=40 {
        let mut history = new_order(number);
        let response = client.attempt(&mut history).await.ok_or("no response")?;
        match (response.status, response.reason.as_str()) {
            // There was still space in the write-ahead log.
            (201, _) => {}
            (503, "NOT_STARTED") => not_started.push(history.request.key),
            (503, "NOT_CHARGED") | (504, "OUTCOME_UNKNOWN") => failed += 1,
            _ => return Err(format!("on a full disk: {response:?}").into()),
        }
    }
    check(failed + not_started.len() > 0, || "the disk was not full".to_owned())?;
    wait_until_not_ready(&system).await?;
    check_atomic(&disk.data(), &not_started).await?;
    let read = client.get_order(before).await;
    check(read.as_ref().is_some_and(|read| read.status == 200), || format!("a saved order reads {read:?}"))?;
    fs::remove_file(filler)?;
    for number in 1..=40 {
        let id = place(&client, &mut new_order(number), SETTLED_MAX).await;
        check_paid(&client, 0, id.ok_or_else(|| format!("order {number} is not settled"))?).await?;
    }
    system.stop().await.map_err(with_causes)
}

/// Waits until a service is not ready and names the disk.
async fn wait_until_not_ready(system: &System) -> Result<(), Failed> {
    let started = Instant::now();
    loop {
        let mut pages = Vec::new();
        for admin in [system.order_admin(), system.payment_admin()] {
            pages.push(readyz(admin).await?);
        }
        if pages.iter().any(|page| page.contains("not ready: database (its disk is full)")) {
            return Ok(());
        }
        check(started.elapsed() < NOTICED_MAX, || format!("on a full disk: {pages:?}"))?;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn readyz(admin: SocketAddr) -> Result<String, Failed> {
    let mut stream = TcpStream::connect(admin).await?;
    stream.write_all(b"GET /readyz HTTP/1.0\r\n\r\n").await?;
    let mut response = String::new();
    stream.read_to_string(&mut response).await?;
    Ok(response)
}

fn sqlite_url(data: &Path, service: &str) -> String {
    format!("sqlite://{}", data.join(format!("{service}.db")).display())
}

/// Checks the files of a full disk: no row of a request that was not started, no order without its items, no
/// order that disagrees with its charge.
async fn check_atomic(data: &Path, not_started: &[String]) -> Result<(), Failed> {
    let mut orders = AnyConnection::connect(&format!("{}?mode=ro", sqlite_url(data, "order"))).await?;
    for key in not_started {
        let row = sqlx::query("SELECT order_id FROM orders WHERE idempotency_key = ?").bind(key.clone());
        let row = row.fetch_optional(&mut orders).await?;
        check(row.is_none(), || format!("the response for {key} was NOT_STARTED, and it has a row"))?;
    }
    let incomplete = "SELECT order_id FROM orders o WHERE item_count <>
         (SELECT COUNT(*) FROM order_items i WHERE i.order_id = o.order_id)
         UNION SELECT order_id FROM order_items WHERE order_id NOT IN (SELECT order_id FROM orders)";
    let incomplete = sqlx::query(incomplete).fetch_all(&mut orders).await?;
    check(incomplete.is_empty(), || format!("{} orders are incomplete", incomplete.len()))?;
    let config = |service: &str| DatabaseUrl::parse("sqlite", &sqlite_url(data, service)).map(Config::new);
    let report =
        all_in_one::audit::audit(&config("order")?, &config("payment")?, None).await.map_err(with_causes)?;
    check(report.agrees(), || report.to_string())
}

async fn read_only() -> Result<(), Failed> {
    let disk = Disk::mount()?;
    let system = start(&disk).await?;
    let client = Client::new([system.gateway_url()]);
    let order = place(&client, &mut new_order(0), SETTLED_MAX).await.ok_or("no order")?;
    drop(client);
    system.stop().await.map_err(with_causes)?;
    disk.make_read_only().await?;
    // The whole system fails at its lock file, a single service at its database.
    let system = System::start_with(options(&disk)).await.err();
    let system = system.map(|error| format!("{error:#}")).unwrap_or_default();
    let config = Config::new(DatabaseUrl::parse("sqlite", &sqlite_url(&disk.data(), "payment"))?);
    let service = Database::open(&config, &payment::adapters::db::MIGRATIONS).await.err();
    let service = service.map(|error| error.to_string()).unwrap_or_default();
    check(system.contains("Read-only") && service.contains("payment.db"), || {
        format!("on a read-only disk: {system:?}, {service:?}")
    })?;
    disk.run("mount", &["-o", "remount,rw"])?;
    let system = start(&disk).await?;
    let client = Client::new([system.gateway_url()]);
    check_paid(&client, 0, order).await?;
    place(&client, &mut new_order(1), SETTLED_MAX).await.ok_or("no order on a writable disk")?;
    system.stop().await.map_err(with_causes)
}
