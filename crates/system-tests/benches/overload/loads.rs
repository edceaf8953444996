//! The loads that the system is put under, each printed, and which of them place most.

use std::time::Duration;

use crate::{
    figures::Failure,
    load::{self, Tokens},
    open_loop::{self, Outcome, Rate},
    services::Services,
};

/// Connections of the closed loops.
const CLOSED: [usize; 4] = [16, 32, 64, 128];
/// Rates of the open loops, in what the best closed loop placed.
const OPEN: [f64; 5] = [0.8, 0.9, 1.0, 1.1, 1.25];
const LOOP_FOR: Duration = Duration::from_secs(6);
const OVERLOAD_FOR: Duration = Duration::from_secs(30);

/// The loops that place most.
pub(crate) struct Best {
    connections: usize,
    /// Orders a second that the closed loop of so many connections placed.
    pub(crate) placed: f64,
    /// Orders a second that the open loop sends, in what the closed one places.
    sent: f64,
}

/// Orders a second that the best loops place at one time.
pub(crate) struct Capacity {
    pub(crate) closed: f64,
    pub(crate) open: f64,
}

/// The system, and the orders that it has answered 201.
pub(crate) struct Loads {
    pub(crate) system: Services,
    pub(crate) placed: u64,
}

impl Loads {
    pub(crate) async fn best(&mut self) -> Result<Best, Failure> {
        let mut best = Best { connections: 0, placed: 0.0, sent: 0.0 };
        for connections in CLOSED {
            let placed = self.closed(connections).await?;
            if placed > best.placed {
                best = Best { connections, placed, ..best };
            }
        }
        let mut most = 0.0;
        for sent in OPEN {
            let placed = self.open("open loop", best.placed * sent, LOOP_FOR).await?.goodput();
            if placed > most {
                (most, best.sent) = (placed, sent);
            }
        }
        Ok(best)
    }

    pub(crate) async fn capacity(&mut self, best: &Best) -> Result<Capacity, Failure> {
        let closed = self.closed(best.connections).await?;
        let open = self.open("open loop", closed * best.sent, LOOP_FOR).await?.goodput();
        Ok(Capacity { closed, open })
    }

    /// Orders a second that a closed loop places.
    async fn closed(&mut self, connections: usize) -> Result<f64, Failure> {
        let cpu = self.system.cpu_seconds()?;
        let mut round = load::run(self.system.gateway, &Tokens::default(), connections, LOOP_FOR).await?;
        round.cpu_seconds = self.system.cpu_seconds()? - cpu;
        println!(
            "closed loop, {connections} connections: {:.0}/s, p50 {:.1} ms, p99 {:.1} ms, {:.3} CPU s per 1,000 orders",
            round.per_second(),
            round.p50_ms,
            round.p99_ms,
            round.cpu_per_thousand()
        );
        self.placed += round.orders();
        Ok(round.per_second())
    }

    pub(crate) async fn open(
        &mut self,
        what: &str,
        per_second: f64,
        duration: Duration,
    ) -> Result<Outcome, Failure> {
        let outcome = open_loop::run(self.system.gateway, Rate::of(per_second), duration).await?;
        outcome.print(what);
        self.placed += outcome.placed();
        Ok(outcome)
    }

    pub(crate) async fn overload(&mut self, per_second: f64) -> Result<Outcome, Failure> {
        let cpu = self.system.cpu_seconds()?;
        let over = self.open("overload", per_second, OVERLOAD_FOR).await?;
        let busy = (self.system.cpu_seconds()? - cpu) / OVERLOAD_FOR.as_secs_f64() * 100.0;
        println!(
            "of a core: {busy:.0} %; shed in: p99 {:.1} ms, at most {:.1} ms",
            over.shed_ms(0.99),
            over.shed_ms(1.0)
        );
        Ok(over)
    }
}
