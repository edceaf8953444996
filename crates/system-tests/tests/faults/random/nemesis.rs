//! The nemesis: it causes the faults of a schedule, one after the other, besides those of fault injection.

use std::{fmt, time::Duration};

use system_tests::{rng::Rng, service_process::ServiceProcess};
use test_support::Failed;
use tokio::time::sleep;

use super::fault_rules;
use crate::{
    cluster::{Cluster, fault_vars},
    proxy::{Direction, Proxy},
};

#[derive(Debug)]
pub(super) struct Nemesis {
    rng: Rng,
    /// The percentage of faults that hit processes; the others hit links.
    processes_percent: u64,
    counts: FaultCounts,
}

#[derive(Debug, Default, Clone, Copy)]
pub(super) struct FaultCounts {
    /// SIGKILLs by the nemesis.
    kills: usize,
    /// Processes that fault injection killed.
    injected_kills: usize,
    /// SIGTERMs.
    stops: usize,
    /// SIGSTOPs.
    freezes: usize,
    /// Resets of one connection, or of all connections of a proxy.
    cuts: usize,
    /// Links that refused, withheld or delayed.
    blocks: usize,
}

impl FaultCounts {
    pub(super) fn add(&mut self, other: &Self) {
        self.kills += other.kills;
        self.injected_kills += other.injected_kills;
        self.stops += other.stops;
        self.freezes += other.freezes;
        self.cuts += other.cuts;
        self.blocks += other.blocks;
    }
}

impl fmt::Display for FaultCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kills, injected_kills, stops, freezes, cuts, blocks } = self;
        write!(
            f,
            "{kills} kills, {injected_kills} injected kills, {stops} stops, {freezes} freezes, {cuts} cuts, {blocks} blocked links"
        )
    }
}

impl Nemesis {
    pub(super) fn new(rng: &mut Rng) -> Self {
        Self {
            rng: rng.split(),
            processes_percent: rng.choose(&[30, 50, 80]),
            counts: FaultCounts::default(),
        }
    }

    pub(super) fn order_rules(&mut self) -> String {
        fault_rules::order(&mut self.rng)
    }

    pub(super) fn payment_rules(&mut self) -> String {
        fault_rules::payment(&mut self.rng)
    }

    pub(super) fn counts(&self, cluster: &Cluster) -> FaultCounts {
        let cuts = cluster.proxies.iter().map(|(_, proxy)| proxy.cuts()).sum();
        FaultCounts { cuts, ..self.counts }
    }

    /// Causes the next fault, and starts what fault injection killed.
    pub(super) async fn cause_fault(&mut self, cluster: &mut Cluster) -> Result<(), Failed> {
        sleep(self.rng.ms(10..=150)).await;
        self.counts.injected_kills += self.start_stopped(cluster).await;
        if cluster.proxies.is_empty() || self.rng.chance_percent(self.processes_percent) {
            let last = cluster.services().count() as u64 - 1;
            let target = usize::try_from(self.rng.in_range(0..=last))?;
            match cluster.services().nth(target) {
                Some(service) => self.disturb_process(service).await,
                None => Ok(()),
            }
        } else {
            let last = cluster.proxies.len() as u64 - 1;
            let target = usize::try_from(self.rng.in_range(0..=last))?;
            self.disturb_link(&cluster.proxies[target].1).await;
            Ok(())
        }
    }

    async fn disturb_process(&mut self, service: &mut ServiceProcess) -> Result<(), Failed> {
        match self.rng.in_range(1..=3) {
            1 => {
                self.counts.kills += 1;
                service.kill().await?;
                sleep(self.rng.ms(0..=400)).await;
                self.start(service).await;
            }
            2 => {
                self.counts.stops += 1;
                // Fault injection may kill it while it stops.
                let _ = service.terminate().await;
                self.start(service).await;
            }
            _ => {
                self.counts.freezes += 1;
                if service.freeze().is_ok() {
                    sleep(self.rng.ms(50..=1500)).await;
                    let _ = service.thaw();
                }
            }
        }
        Ok(())
    }

    async fn disturb_link(&mut self, proxy: &Proxy) {
        let duration = self.rng.ms(50..=1000);
        match self.rng.in_range(1..=6) {
            1 => proxy.reset(),
            2 | 3 => {
                let direction = self.rng.choose(&[Direction::ToServer, Direction::ToClient]);
                proxy.cut_after(direction, self.rng.choose(&[0, 9, 50, 300, 1000, 4000]));
                sleep(duration / 2).await;
            }
            4 => {
                self.counts.blocks += 1;
                proxy.set(|mode| mode.refuses = true);
                proxy.reset();
                sleep(duration).await;
            }
            5 => {
                self.counts.blocks += 1;
                proxy.set(|mode| mode.withholds = true);
                sleep(duration).await;
            }
            _ => {
                self.counts.blocks += 1;
                let delay = self.rng.ms(5..=200);
                proxy.set(|mode| mode.delay = delay);
                sleep(duration).await;
            }
        }
        proxy.heal();
    }

    /// Starts every service that is down; returns their number.
    async fn start_stopped(&mut self, cluster: &mut Cluster) -> usize {
        let mut stopped = 0;
        for service in cluster.services() {
            if !service.is_running() {
                stopped += 1;
                self.start(service).await;
            }
        }
        stopped
    }

    /// Starts a service with new fault injection rules. It may exit before it is ready; then a later call
    /// starts it.
    async fn start(&mut self, service: &mut ServiceProcess) {
        let rules = match service.name.split('-').next() {
            Some("order") => self.order_rules(),
            Some("payment") => self.payment_rules(),
            _ => String::new(),
        };
        let _ = service.start(&fault_vars(&rules)).await;
    }

    /// Ends all faults: restores every link, and restarts every Order and Payment without fault injection.
    pub(super) async fn heal(&mut self, cluster: &mut Cluster) -> Result<(), Failed> {
        for (_, proxy) in &cluster.proxies {
            proxy.heal();
        }
        let kill = self.rng.chance_percent(50);
        for service in cluster.payments.iter_mut().chain(&mut cluster.orders) {
            if kill || service.terminate().await.is_err() {
                service.kill().await?;
            }
            sleep(Duration::from_millis(10)).await;
        }
        cluster.restart_stopped().await
    }
}
