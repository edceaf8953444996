//! SQLite files on a disk that fills up, and on one that is read-only.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use all_in_one::{Options, System};
use database::{Config, Database, DatabaseUrl};
use sqlx::{AnyConnection, Connection};
use test_support::{Failed, Need, Trial, check, trial};

use crate::{
    client::{Client, Wish},
    whole,
};

/// How long an order that was cut off may take, whatever else the machine does.
const SETTLED_MAX: Duration = Duration::from_secs(60);

/// How long a system that has stopped may take to close its files.
const CLOSED_MAX: Duration = Duration::from_secs(10);

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("disk::a_full_disk_is_told_truthfully_and_costs_nothing", &[Need::Mounts], full),
        trial("disk::a_read_only_disk_is_told_at_start_and_keeps_its_orders", &[Need::Mounts], read_only),
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

    /// Waits until nothing on it is open for writing any more: a remount finds it busy until then, and the threads that
    /// sqlx reads SQLite by close their files a moment after a system has stopped.
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

    /// Writes a file that leaves no room for anything else.
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

fn on(data: &Path) -> Options {
    Options { data: Some(data.to_owned()), ..Options::default() }.var("PAYMENT_CREDIT_LIMIT", 1_000_000)
}

async fn full() -> Result<(), Failed> {
    let disk = Disk::mount()?;
    let system = System::start_with(on(&disk.data())).await.map_err(whole)?;
    let client = Client::new([system.gateway_url()]);
    let before = client.insist(&Wish { number: 0 }, SETTLED_MAX).await.ok_or("no order on an empty disk")?;
    let filler = disk.fill()?;
    let (mut refused, mut not_started) = (0, Vec::new());
    for wish in (1..=40).map(|number| Wish { number }) {
        let (status, body) = client.post(&wish, 0).await;
        match (status, body["reason"].as_str()) {
            // The log had room for it still.
            (201, _) => {}
            (503, Some("NOT_STARTED")) => not_started.push(wish.key()),
            (503, Some("NOT_CHARGED")) | (504, Some("OUTCOME_UNKNOWN")) => refused += 1,
            _ => return Err(format!("a full disk was told as {status}: {body}").into()),
        }
    }
    check(refused + not_started.len() > 0, || "the disk was not full".to_owned())?;
    nothing_is_half_written(&disk.data(), &not_started).await?;
    let (status, _) = client.get(0, before).await;
    check(status == 200, || format!("what is kept cannot be read: {status}"))?;
    fs::remove_file(filler)?;
    for number in 1..=40 {
        let wish = Wish { number };
        let id = client.insist(&wish, SETTLED_MAX).await.ok_or_else(|| format!("{wish:?} is not settled"))?;
        let (status, body) = client.get(0, id).await;
        check(status == 200 && body["status"] == "PAID", || format!("{status} {body}"))?;
    }
    system.stop().await.map_err(whole)
}

fn file(data: &Path, service: &str) -> String {
    format!("sqlite://{}", data.join(format!("{service}.db")).display())
}

/// What is in the files while there is no room: no part of what was told as not begun, no order without its items, no
/// order that is at odds with its charge.
async fn nothing_is_half_written(data: &Path, not_started: &[String]) -> Result<(), Failed> {
    let mut orders = AnyConnection::connect(&format!("{}?mode=ro", file(data, "order"))).await?;
    for key in not_started {
        let written = sqlx::query("SELECT order_id FROM orders WHERE idempotency_key = ?").bind(key.clone());
        let written = written.fetch_optional(&mut orders).await?;
        check(written.is_none(), || format!("{key} was told as not begun, and is there"))?;
    }
    let halves = "SELECT order_id FROM orders o WHERE item_count <>
         (SELECT COUNT(*) FROM order_items i WHERE i.order_id = o.order_id)
         UNION SELECT order_id FROM order_items WHERE order_id NOT IN (SELECT order_id FROM orders)";
    let halves = sqlx::query(halves).fetch_all(&mut orders).await?;
    check(halves.is_empty(), || format!("{} orders are half written", halves.len()))?;
    let config = |service: &str| DatabaseUrl::parse("sqlite", &file(data, service)).map(Config::new);
    let report = all_in_one::audit::audit(&config("order")?, &config("payment")?).await.map_err(whole)?;
    check(report.agrees(), || report.to_string())
}

async fn read_only() -> Result<(), Failed> {
    let disk = Disk::mount()?;
    let system = System::start_with(on(&disk.data())).await.map_err(whole)?;
    let client = Client::new([system.gateway_url()]);
    let kept = client.insist(&Wish { number: 0 }, SETTLED_MAX).await.ok_or("no order")?;
    drop(client);
    system.stop().await.map_err(whole)?;
    disk.make_read_only().await?;
    let refused = System::start_with(on(&disk.data())).await;
    // The whole system, for which a file says who runs it, and a service alone.
    let whole_stack = refused.err().map(|error| format!("{error:#}")).unwrap_or_default();
    let config = Config::new(DatabaseUrl::parse("sqlite", &file(&disk.data(), "payment"))?);
    let refused = Database::open(&config, &payment::adapters::db::MIGRATIONS).await;
    let service = refused.err().map(|error| error.to_string()).unwrap_or_default();
    check(whole_stack.contains("Read-only") && service.contains("payment.db"), || {
        format!("what can only be read was told as {whole_stack:?} and {service:?}")
    })?;
    disk.run("mount", &["-o", "remount,rw"])?;
    let system = System::start_with(on(&disk.data())).await.map_err(whole)?;
    let client = Client::new([system.gateway_url()]);
    let (status, body) = client.get(0, kept).await;
    check(status == 200 && body["status"] == "PAID", || format!("{status} {body}"))?;
    client.insist(&Wish { number: 1 }, SETTLED_MAX).await.ok_or("no order on a disk that has room again")?;
    system.stop().await.map_err(whole)
}
