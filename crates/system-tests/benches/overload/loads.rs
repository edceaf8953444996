//! The loads on the system, and the search for the best ones. Each load prints its results.

use std::time::Duration;

use crate::{
    figures::Failure,
    load::{self, Tokens},
    open_loop::{self, Outcome, Rate},
    services::Services,
};

/// Connections of the closed loops.
const CLOSED: [usize; 4] = [16, 32, 64, 128];
/// Rates of the open loops, relative to the best closed loop.
const OPEN: [f64; 5] = [0.8, 0.9, 1.0, 1.1, 1.25];
const LOOP_FOR: Duration = Duration::from_secs(6);
const OVERLOAD_FOR: Duration = Duration::from_secs(30);

/// The loops with the highest goodput.
pub(crate) struct Best {
    connections: usize,
    /// Orders per second of the closed loop.
    pub(crate) placed: f64,
    /// The rate of the open loop, relative to `placed`.
    sent: f64,
}

/// Orders per second of the best loops at one time.
pub(crate) struct Capacity {
    pub(crate) closed: f64,
    pub(crate) open: f64,
}

/// The system, and the number of its 201s.
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

    /// Returns the orders per second of a closed loop.
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
            "CPU: {busy:.0} % of a core; time to shed: p99 {:.1} ms, at most {:.1} ms",
            over.shed_ms(0.99),
            over.shed_ms(1.0)
        );
        Ok(over)
    }
}
