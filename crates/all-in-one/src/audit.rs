//! Compares Order's database with Payment's; operators may run it while the services run.
//!
//! Every PAID order has a charge of the same amount, and no other order has a charge. Both databases may
//! change during the audit. So it reads each disagreement a second time, and reports it only if it persists
//! and the order did not change meanwhile. A PENDING order has no known outcome and is skipped.
//!
//! It reads pages of rows, so that no statement takes long on a large database. Only the accounts that differ
//! from the payments read before are compared by a statement that scans all payments.

mod accounts;
mod compare;
mod progress;
mod since;

use std::{collections::VecDeque, fmt, time::Duration};

use anyhow::Context;
use database::{Config, Database};
use order::{adapters::db::DbOrders, domain::OrderSummary};
use payment::{
    adapters::db::{AccountKey, AuditedPayment, DbLedger},
    domain::Payment,
};
use service_kit::telemetry;

pub use {compare::Disagreement, since::Since};

use accounts::Sums;
use compare::disagreement;
use progress::Progress;

/// Rows per query.
const PAGE_ROWS: u32 = 1000;
/// Limit of one statement, on the server too.
const STATEMENT_MAX: Duration = Duration::from_secs(60);

/// The result of an audit.
#[derive(Debug, Default)]
pub struct Report {
    /// The number of orders read.
    pub orders: u64,
    /// The number of payments read.
    pub payments: u64,
    /// Disagreements between an order and its payment, sorted by order id.
    pub disagreements: Vec<Disagreement>,
    /// Accounts whose charged amount differs from the sum of their CHARGED payments, sorted.
    pub unbalanced: Vec<AccountKey>,
    /// Where not all orders and payments were read; the accounts were not compared then.
    pub since: Option<Since>,
}

impl Report {
    /// Whether the audit found no disagreement.
    pub fn agrees(&self) -> bool {
        self.disagreements.is_empty() && self.unbalanced.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for disagreement in &self.disagreements {
            writeln!(f, "{disagreement}")?;
        }
        for AccountKey { user, currency } in &self.unbalanced {
            writeln!(
                f,
                "user {user}, {currency}: the amount charged is not the sum of the CHARGED payments"
            )?;
        }
        let found = u64::try_from(self.disagreements.len() + self.unbalanced.len()).unwrap_or(u64::MAX);
        let [orders, payments, disagreements] =
            [(self.orders, "order"), (self.payments, "payment"), (found, "disagreement")].map(count_of);
        match &self.since {
            None => write!(f, "{orders} and {payments}: {disagreements}"),
            Some(Since { text, .. }) => {
                write!(f, "{orders} and {payments} since {text}: {disagreements}; accounts not compared")
            }
        }
    }
}

/// `1 order`, `2 orders`.
fn count_of((count, noun): (u64, &str)) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// Compares the two databases; writes to neither. With `since`, compares the orders and payments whose order
/// id is from that time on, and no accounts. Prints the progress on stderr every 5 s.
///
/// # Errors
///
/// A database cannot be read.
pub async fn audit(order: &Config, payment: &Config, since: Option<Since>) -> anyhow::Result<Report> {
    let [order, payment] =
        [order, payment].map(|config| Config { statement_max: Some(STATEMENT_MAX), ..config.clone() });
    let order = Database::open_existing(&order, &order::adapters::db::MIGRATIONS).await?;
    let payment = Database::open_existing(&payment, &payment::adapters::db::MIGRATIONS).await?;
    let audit = Audit { orders: DbOrders::new(order.clone()), payments: DbLedger::new(payment.clone()) };
    let progress = Progress::default();
    let print = |line: String| telemetry::write_line(&line);
    let report = progress.while_running(audit.run(since, &progress), print).await;
    order.close().await;
    payment.close().await;
    report
}

struct Audit {
    orders: DbOrders,
    payments: DbLedger,
}

impl Audit {
    async fn run(&self, since: Option<Since>, progress: &Progress) -> anyhow::Result<Report> {
        let mut report = Report::default();
        let mut ids = Vec::new();
        let mut sums = Sums::default();
        let mut pages = Pages::from(since.as_ref().map_or(1, |since| since.first_id));
        loop {
            pages.fill(self, progress).await?;
            let (order, payment) = pages.next_pair();
            if order.is_none() && payment.is_none() {
                break;
            }
            report.orders += u64::from(order.is_some());
            report.payments += u64::from(payment.is_some());
            if let Some((account, minor)) = payment.as_ref().and_then(|audited| audited.charged.as_ref())
                && since.is_none()
            {
                sums.add(account, *minor);
            }
            let payment = payment.as_ref().map(|audited| &audited.payment);
            if let Some(found) = disagreement(order.as_ref(), payment) {
                ids.push(found.order);
            }
        }
        for id in ids {
            report.disagreements.extend(self.confirmed_disagreement(id).await?);
            progress.again.add(1);
        }
        if since.is_none() {
            report.unbalanced = accounts::unbalanced(&self.payments, sums, progress).await?;
        }
        Ok(Report { since, ..report })
    }

    /// Reads an order twice and its payment in between; returns the disagreement unless the order changed.
    async fn confirmed_disagreement(&self, id: i64) -> anyhow::Result<Option<Disagreement>> {
        let before = self.order(id).await?;
        let payment = self.payment(id).await?;
        let after = self.order(id).await?;
        Ok(disagreement(after.as_ref(), payment.as_ref()).filter(|_| before == after))
    }

    async fn order(&self, id: i64) -> anyhow::Result<Option<OrderSummary>> {
        let found = self.orders.audit_page(id - 1, 1).await.context("cannot read the orders")?;
        Ok(found.into_iter().find(|order| order.order.get() == id))
    }

    async fn payment(&self, id: i64) -> anyhow::Result<Option<Payment>> {
        let found = self.payments.audit_page(id - 1, 1).await.context("cannot read the payments")?;
        Ok(found.into_iter().map(|audited| audited.payment).find(|payment| payment.order.get() == id))
    }
}

/// Reads both tables page by page, ordered by order id.
struct Pages {
    orders: Page<OrderSummary>,
    payments: Page<AuditedPayment>,
}

#[derive(Debug)]
struct Page<T> {
    rows: VecDeque<T>,
    /// The order id of the last row that was read.
    after: i64,
    is_last: bool,
}

impl<T> Page<T> {
    fn after(after: i64) -> Self {
        Self { rows: VecDeque::new(), after, is_last: false }
    }

    fn needs_rows(&self) -> bool {
        self.rows.is_empty() && !self.is_last
    }

    fn fill(&mut self, rows: Vec<T>, id: impl Fn(&T) -> i64) {
        self.is_last = rows.len() < PAGE_ROWS as usize;
        self.after = rows.last().map_or(self.after, id);
        self.rows.extend(rows);
    }
}

fn id_of_order(order: &OrderSummary) -> i64 {
    order.order.get()
}

fn id_of_payment(audited: &AuditedPayment) -> i64 {
    audited.payment.order.get()
}

impl Pages {
    /// From the order id `first` on.
    fn from(first: i64) -> Self {
        Self { orders: Page::after(first - 1), payments: Page::after(first - 1) }
    }

    async fn fill(&mut self, audit: &Audit, progress: &Progress) -> anyhow::Result<()> {
        if self.orders.needs_rows() {
            let rows = audit.orders.audit_page(self.orders.after, PAGE_ROWS).await;
            let rows = rows.context("cannot read the orders")?;
            progress.orders.add(rows.len());
            self.orders.fill(rows, id_of_order);
        }
        if self.payments.needs_rows() {
            let rows = audit.payments.audit_page(self.payments.after, PAGE_ROWS).await;
            let rows = rows.context("cannot read the payments")?;
            progress.payments.add(rows.len());
            self.payments.fill(rows, id_of_payment);
        }
        Ok(())
    }

    /// Takes the order and the payment of the lowest order id in the pages.
    fn next_pair(&mut self) -> (Option<OrderSummary>, Option<AuditedPayment>) {
        let order = self.orders.rows.front().map(id_of_order);
        let payment = self.payments.rows.front().map(id_of_payment);
        let lowest = order.into_iter().chain(payment).min();
        let order = if order == lowest { self.orders.rows.pop_front() } else { None };
        let payment = if payment == lowest { self.payments.rows.pop_front() } else { None };
        (order, payment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_uses_singular_and_plural() {
        let what = "PAID, but unknown to Payment".to_owned();
        let report = Report {
            orders: 1,
            payments: 0,
            disagreements: vec![Disagreement { order: 7, what }],
            ..Report::default()
        };
        let expected = "order 7: PAID, but unknown to Payment\n1 order and 0 payments: 1 disagreement";
        assert_eq!(report.to_string(), expected);
    }
}
