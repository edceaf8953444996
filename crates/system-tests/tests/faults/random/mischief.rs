//! What goes wrong in a schedule, one thing after the other, besides the fail-points.

use std::{fmt, time::Duration};

use test_support::Failed;

use super::points;
use crate::{
    dice::Dice,
    house::{House, Service, fails},
    proxy::{Proxy, Way},
};

/// The seed's will.
#[derive(Debug)]
pub(super) struct Mischief {
    dice: Dice,
    /// How likely each kind is, in percent.
    processes: u64,
    tally: Tally,
}

/// What went wrong.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Tally {
    /// SIGKILLs, ours.
    kills: usize,
    /// Deaths at a fail-point.
    deaths: usize,
    /// SIGTERMs.
    stops: usize,
    /// SIGSTOPs.
    freezes: usize,
    /// Connections cut, or all of a proxy at once.
    cuts: usize,
    /// Times that a way was refused, held back or slow.
    walls: usize,
}

impl Tally {
    pub(super) fn add(&mut self, other: &Self) {
        self.kills += other.kills;
        self.deaths += other.deaths;
        self.stops += other.stops;
        self.freezes += other.freezes;
        self.cuts += other.cuts;
        self.walls += other.walls;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kills, deaths, stops, freezes, cuts, walls } = self;
        write!(
            f,
            "{kills} kills, {deaths} deaths at fail-points, {stops} stops, {freezes} freezes, {cuts} cuts, {walls} walls"
        )
    }
}

impl Mischief {
    pub(super) fn drawn(dice: &mut Dice) -> Self {
        Self { dice: dice.split(), processes: dice.pick(&[30, 50, 80]), tally: Tally::default() }
    }

    pub(super) fn order_points(&mut self) -> String {
        points::order(&mut self.dice)
    }

    pub(super) fn payment_points(&mut self) -> String {
        points::payment(&mut self.dice)
    }

    pub(super) fn tally(&self, house: &House) -> Tally {
        let cuts = house.proxies.iter().map(|(_, proxy)| proxy.cuts()).sum();
        Tally { cuts, ..self.tally }
    }

    /// Lets the next thing go wrong, and starts what died at a fail-point.
    pub(super) async fn make(&mut self, house: &mut House) -> Result<(), Failed> {
        tokio::time::sleep(self.dice.ms(10..=150)).await;
        self.tally.deaths += self.start_the_dead(house).await;
        if house.proxies.is_empty() || self.dice.percent(self.processes) {
            let services = house.services().count() as u64 - 1;
            let victim = usize::try_from(self.dice.within(0..=services))?;
            match house.services().nth(victim) {
                Some(service) => self.hurt(service).await,
                None => Ok(()),
            }
        } else {
            let last = house.proxies.len() as u64 - 1;
            let victim = usize::try_from(self.dice.within(0..=last))?;
            self.disturb(&house.proxies[victim].1).await;
            Ok(())
        }
    }

    async fn hurt(&mut self, service: &mut Service) -> Result<(), Failed> {
        match self.dice.within(1..=3) {
            1 => {
                self.tally.kills += 1;
                service.kill().await?;
                tokio::time::sleep(self.dice.ms(0..=400)).await;
                self.start(service).await;
            }
            2 => {
                self.tally.stops += 1;
                // A fail-point may kill it while it stops.
                let _ = service.terminate().await;
                self.start(service).await;
            }
            _ => {
                self.tally.freezes += 1;
                if service.freeze().is_ok() {
                    tokio::time::sleep(self.dice.ms(50..=1500)).await;
                    let _ = service.thaw();
                }
            }
        }
        Ok(())
    }

    async fn disturb(&mut self, proxy: &Proxy) {
        let long = self.dice.ms(50..=1000);
        match self.dice.within(1..=6) {
            1 => proxy.reset(),
            2 | 3 => {
                let way = self.dice.pick(&[Way::Out, Way::Back]);
                proxy.cut_after(way, self.dice.pick(&[0, 9, 50, 300, 1000, 4000]));
                tokio::time::sleep(long / 2).await;
            }
            4 => {
                self.tally.walls += 1;
                proxy.set(|conduct| conduct.refuses = true);
                proxy.reset();
                tokio::time::sleep(long).await;
            }
            5 => {
                self.tally.walls += 1;
                proxy.set(|conduct| conduct.holds = true);
                tokio::time::sleep(long).await;
            }
            _ => {
                self.tally.walls += 1;
                let delay = self.dice.ms(5..=200);
                proxy.set(|conduct| conduct.delay = delay);
                tokio::time::sleep(long).await;
            }
        }
        proxy.heal();
    }

    /// Starts what is down; returns how many were.
    async fn start_the_dead(&mut self, house: &mut House) -> usize {
        let mut dead = 0;
        for service in house.services() {
            if !service.runs() {
                dead += 1;
                self.start(service).await;
            }
        }
        dead
    }

    /// Starts it, to fail at other moments than before. One that dies while it starts is started again later.
    async fn start(&mut self, service: &mut Service) {
        let points = match service.name.split('-').next() {
            Some("order") => self.order_points(),
            Some("payment") => self.payment_points(),
            _ => String::new(),
        };
        let _ = service.start(&fails(&points)).await;
    }

    /// Ends all mischief: ways are open, and every Order and Payment is another process, which does not fail.
    pub(super) async fn heal(&mut self, house: &mut House) -> Result<(), Failed> {
        for (_, proxy) in &house.proxies {
            proxy.heal();
        }
        let crash = self.dice.percent(50);
        for service in house.payments.iter_mut().chain(&mut house.orders) {
            if crash || service.terminate().await.is_err() {
                service.kill().await?;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        house.revive().await
    }
}
