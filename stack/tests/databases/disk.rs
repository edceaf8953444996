//! SQLite files on a disk that fills up, and on one that is read-only.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use stack::{Options, Stack};
use trials::{Failed, Need, Trial, check, trial};

use crate::{
    client::{Client, Wish},
    whole,
};

/// How long an order that was cut off may take: nobody else takes it over for 30 s.
const SETTLED_MAX: Duration = Duration::from_secs(60);

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
    let stack = Stack::start_with(on(&disk.data())).await.map_err(whole)?;
    let client = Client::new([stack.gateway_url()]);
    let before = client.insist(&Wish { number: 0 }, SETTLED_MAX).await.ok_or("no order on an empty disk")?;
    let filler = disk.fill()?;
    let mut refused = 0;
    for number in 1..=40 {
        let (status, body) = client.post(&Wish { number }, 0).await;
        match status {
            // The log had room for it still.
            201 => {}
            503 | 504 => refused += 1,
            _ => return Err(format!("a full disk was told as {status}: {body}").into()),
        }
    }
    check(refused > 0, || "the disk was not full".to_owned())?;
    let (status, _) = client.get(0, before).await;
    check(status == 200, || format!("what is kept cannot be read: {status}"))?;
    fs::remove_file(filler)?;
    for number in 1..=40 {
        let wish = Wish { number };
        let id = client.insist(&wish, SETTLED_MAX).await.ok_or_else(|| format!("{wish:?} is not settled"))?;
        let (status, body) = client.get(0, id).await;
        check(status == 200 && body["status"] == "PAID", || format!("{status} {body}"))?;
    }
    stack.stop().await.map_err(whole)
}

async fn read_only() -> Result<(), Failed> {
    let disk = Disk::mount()?;
    let stack = Stack::start_with(on(&disk.data())).await.map_err(whole)?;
    let client = Client::new([stack.gateway_url()]);
    let kept = client.insist(&Wish { number: 0 }, SETTLED_MAX).await.ok_or("no order")?;
    drop(client);
    stack.stop().await.map_err(whole)?;
    disk.run("mount", &["-o", "remount,ro"])?;
    let refused = Stack::start_with(on(&disk.data())).await;
    check(refused.is_err(), || "it starts where nothing can be written".to_owned())?;
    disk.run("mount", &["-o", "remount,rw"])?;
    let stack = Stack::start_with(on(&disk.data())).await.map_err(whole)?;
    let client = Client::new([stack.gateway_url()]);
    let (status, body) = client.get(0, kept).await;
    check(status == 200 && body["status"] == "PAID", || format!("{status} {body}"))?;
    client.insist(&Wish { number: 1 }, SETTLED_MAX).await.ok_or("no order on a disk that has room again")?;
    stack.stop().await.map_err(whole)
}
