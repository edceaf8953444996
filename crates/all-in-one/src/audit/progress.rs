//! Progress of an audit.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// The time between two lines.
const INTERVAL: Duration = Duration::from_secs(5);

/// The rows read so far.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub(super) orders: Rows,
    pub(super) payments: Rows,
    pub(super) accounts: Rows,
    /// Disagreements and accounts that were read again.
    pub(super) again: Rows,
}

/// A count of rows.
#[derive(Debug, Default)]
pub(super) struct Rows(AtomicU64);

impl Rows {
    pub(super) fn add(&self, rows: usize) {
        self.0.fetch_add(u64::try_from(rows).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl fmt::Display for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.load(Ordering::Relaxed).fmt(f)
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { orders, payments, accounts, again } = self;
        write!(f, "audit: read {orders} orders, {payments} payments, {accounts} accounts, {again} again")
    }
}

impl Progress {
    /// The output of `work`; meanwhile passes a line to `print` every 5 s.
    pub(super) async fn while_running<F: Future>(&self, work: F, print: impl Fn(String)) -> F::Output {
        let lines = async {
            loop {
                tokio::time::sleep(INTERVAL).await;
                print(self.to_string());
            }
        };
        tokio::select! {
            biased;
            output = work => output,
            () = lines => unreachable!("the lines do not end"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_line_appears_every_five_seconds() {
        let (progress, lines) = (Progress::default(), RefCell::new(Vec::new()));
        let print = |line| lines.borrow_mut().push(line);
        progress.while_running(tokio::time::sleep(Duration::from_secs(4)), print).await;
        assert!(lines.borrow().is_empty());
        let work = async {
            progress.orders.add(1000);
            progress.payments.add(999);
            tokio::time::sleep(Duration::from_secs(6)).await;
            progress.accounts.add(7);
            progress.again.add(1);
            tokio::time::sleep(Duration::from_secs(6)).await;
        };
        progress.while_running(work, print).await;
        let expected = [
            "audit: read 1000 orders, 999 payments, 0 accounts, 0 again",
            "audit: read 1000 orders, 999 payments, 7 accounts, 1 again",
        ];
        assert_eq!(lines.into_inner(), expected);
    }
}
