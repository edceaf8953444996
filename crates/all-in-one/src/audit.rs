//! Order's books held against Payment's, as they are: for operators, while the services run.
//!
//! An order that was paid is charged the same amount, and no other order is charged anything. Both books change
//! while they are read, so that a disagreement counts only if it stands on a second reading, in which the order
//! did not change, and if the order is not PENDING: that says that nothing is known yet.

mod compare;

use std::{collections::VecDeque, fmt};

use anyhow::Context;
use database::{Config, Database};
use money::Currency;
use order::{adapters::db::DbOrders, domain::Entry};
use payment::{
    adapters::db::DbLedger,
    domain::{Payment, UserId},
};

pub use compare::Disagreement;
use compare::disagreement;

/// Rows that are read at once.
const PAGE_ROWS: u32 = 1000;

/// What was found.
#[derive(Debug, Default)]
pub struct Report {
    /// How many orders were looked at.
    pub orders: u64,
    /// How many payments were looked at.
    pub payments: u64,
    /// What disagrees, by the ids of the orders.
    pub disagreements: Vec<Disagreement>,
    /// Accounts whose charged amount is not the sum of their CHARGED payments.
    pub accounts: Vec<(UserId, Currency)>,
}

impl Report {
    /// Whether everything agrees.
    pub fn agrees(&self) -> bool {
        self.disagreements.is_empty() && self.accounts.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for disagreement in &self.disagreements {
            writeln!(f, "{disagreement}")?;
        }
        for (user, currency) in &self.accounts {
            writeln!(
                f,
                "user {user}, {currency}: the amount charged is not the sum of the CHARGED payments"
            )?;
        }
        let found = self.disagreements.len() + self.accounts.len();
        write!(f, "{} orders and {} payments: {found} disagreements", self.orders, self.payments)
    }
}

/// Holds the two books against each other, and changes neither.
///
/// # Errors
///
/// Where one of them cannot be read.
pub async fn audit(order: &Config, payment: &Config) -> anyhow::Result<Report> {
    let (orders_in, payments_in) =
        (Database::open_existing(order).await?, Database::open_existing(payment).await?);
    let books =
        Books { orders: DbOrders::new(orders_in.clone()), payments: DbLedger::new(payments_in.clone()) };
    let report = books.audit().await;
    orders_in.close().await;
    payments_in.close().await;
    report
}

struct Books {
    orders: DbOrders,
    payments: DbLedger,
}

impl Books {
    async fn audit(&self) -> anyhow::Result<Report> {
        let mut report = Report::default();
        let mut suspects = Vec::new();
        let mut pages = Pages::default();
        loop {
            pages.fill(self).await?;
            let (order, payment) = pages.next_pair();
            if order.is_none() && payment.is_none() {
                break;
            }
            report.orders += u64::from(order.is_some());
            report.payments += u64::from(payment.is_some());
            if let Some(suspect) = disagreement(order.as_ref(), payment.as_ref()) {
                suspects.push(suspect.order);
            }
        }
        for id in suspects {
            report.disagreements.extend(self.second_reading(id).await?);
        }
        report.accounts = self.unbalanced().await?;
        Ok(report)
    }

    /// The disagreement, if it is there while the order does not change.
    async fn second_reading(&self, id: i64) -> anyhow::Result<Option<Disagreement>> {
        let before = self.order(id).await?;
        let payment = self.payment(id).await?;
        let after = self.order(id).await?;
        Ok(disagreement(after.as_ref(), payment.as_ref()).filter(|_| before == after))
    }

    async fn unbalanced(&self) -> anyhow::Result<Vec<(UserId, Currency)>> {
        let read = async || self.payments.unbalanced().await.context("the accounts cannot be read");
        let first = read().await?;
        let mut stands = if first.is_empty() { Vec::new() } else { read().await? };
        stands.retain(|account| first.contains(account));
        Ok(stands)
    }

    async fn order(&self, id: i64) -> anyhow::Result<Option<Entry>> {
        let found = self.orders.entries(id - 1, 1).await.context("the orders cannot be read")?;
        Ok(found.into_iter().find(|entry| entry.charge.order.get() == id))
    }

    async fn payment(&self, id: i64) -> anyhow::Result<Option<Payment>> {
        let found = self.payments.audit_page(id - 1, 1).await.context("the payments cannot be read")?;
        Ok(found.into_iter().find(|payment| payment.order.get() == id))
    }
}

/// Both books, read side by side in the order of the ids.
#[derive(Default)]
struct Pages {
    orders: Page<Entry>,
    payments: Page<Payment>,
}

#[derive(Debug)]
struct Page<T> {
    rows: VecDeque<T>,
    /// The id of the last row that was read.
    after: i64,
    is_last: bool,
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Self { rows: VecDeque::new(), after: 0, is_last: false }
    }
}

impl<T> Page<T> {
    fn is_wanted(&self) -> bool {
        self.rows.is_empty() && !self.is_last
    }

    fn fill(&mut self, rows: Vec<T>, id: impl Fn(&T) -> i64) {
        self.is_last = rows.len() < PAGE_ROWS as usize;
        self.after = rows.last().map_or(self.after, id);
        self.rows.extend(rows);
    }
}

fn id_of_order(entry: &Entry) -> i64 {
    entry.charge.order.get()
}

fn id_of_payment(payment: &Payment) -> i64 {
    payment.order.get()
}

impl Pages {
    async fn fill(&mut self, books: &Books) -> anyhow::Result<()> {
        if self.orders.is_wanted() {
            let rows = books.orders.entries(self.orders.after, PAGE_ROWS).await;
            self.orders.fill(rows.context("the orders cannot be read")?, id_of_order);
        }
        if self.payments.is_wanted() {
            let rows = books.payments.audit_page(self.payments.after, PAGE_ROWS).await;
            self.payments.fill(rows.context("the payments cannot be read")?, id_of_payment);
        }
        Ok(())
    }

    /// What both say of the lowest id that is left.
    fn next_pair(&mut self) -> (Option<Entry>, Option<Payment>) {
        let order = self.orders.rows.front().map(id_of_order);
        let payment = self.payments.rows.front().map(id_of_payment);
        let lowest = order.into_iter().chain(payment).min();
        let order = if order == lowest { self.orders.rows.pop_front() } else { None };
        let payment = if payment == lowest { self.payments.rows.pop_front() } else { None };
        (order, payment)
    }
}
