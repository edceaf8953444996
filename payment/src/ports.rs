//! Ports: the interfaces that adapters implement. `tests/it/contract` tests their contracts on every adapter.

use async_trait::async_trait;
use money::{Currency, Money};

use crate::domain::{
    Account, BillId, ChangeId, ChargeRequest, LimitChange, Operator, OrderId, Payment, PaymentId, Reason,
    UserId,
};

/// The outcome of a failed call. The adapter logs the cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// Nothing was written: an id is taken, or a concurrent writer won. A retry with new ids may succeed.
    #[error("an id is taken")]
    Conflict,
    /// Nothing was written: the transaction was not started or was rolled back.
    #[error("the ledger could not be written to")]
    NotStarted,
    /// Nothing was written, since the database refuses the data. A retry fails as well.
    #[error("the ledger refuses the data")]
    Rejected,
    /// In doubt: the transaction may or may not be committed. A later read shows the outcome.
    #[error("the outcome is unknown")]
    Unknown,
}

/// The payment to record for a charge, if the order has none yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewCharge {
    /// Order, customer and amount.
    pub request: ChargeRequest,
    /// The id of the payment.
    pub payment: PaymentId,
    /// The bill of the charge.
    pub bill: BillId,
    /// The credit limit of the customer's account if this charge opens it, in the currency of the total.
    /// `None` if the currency is not accepted: the charge opens no account.
    pub opening_limit: Option<Money>,
    /// Milliseconds since the Unix epoch.
    pub now_ms: i64,
}

/// The VOIDED payment to record, if the order has none yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewVoid {
    /// The order to void.
    pub order: OrderId,
    /// The id of the payment.
    pub payment: PaymentId,
    /// Milliseconds since the Unix epoch.
    pub now_ms: i64,
}

/// Stores accounts and payments.
///
/// - An order has at most one payment, which never changes. Of concurrent writers on any number of instances
///   the first wins; the others get its payment.
/// - `Ok` means durably committed. Every field reads back as it was written.
/// - The charged amount of an account is always the sum of its CHARGED payments, and no charge raises it
///   above the credit limit.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Returns the payment of the order, even if its amount or user differs. If there is none, records one in
    /// one transaction: CHARGED, and debits the customer's account in that currency (opening it if
    /// necessary); or DECLINED, with the account unchanged, if the amount exceeds the limit, or if there is
    /// no account and the charge has no opening limit.
    async fn record_charge(&self, charge: &NewCharge) -> Result<Payment, LedgerError>;

    /// Returns the payment of the order. If there is none, records a VOIDED one.
    async fn record_void(&self, void: &NewVoid) -> Result<Payment, LedgerError>;

    /// Returns the payment of the order. `None` is no evidence: a charge may be in progress.
    async fn find(&self, order: OrderId) -> Result<Option<Payment>, LedgerError>;
}

/// A new credit limit of an account, with its record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLimit {
    /// The customer.
    pub user: UserId,
    /// The new limit; its currency is the account's.
    pub limit: Money,
    /// The id of the record.
    pub change: ChangeId,
    /// The operator who sets it.
    pub operator: Operator,
    /// The reason, if given.
    pub reason: Option<Reason>,
    /// Milliseconds since the Unix epoch.
    pub now_ms: i64,
}

/// How many changes [`Accounts::find`] returns per account.
pub const CHANGES_MAX: usize = 10;

/// The accounts of a [`Ledger`], for operators.
///
/// `Ok` means durably committed, and effective for every charge that begins later.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// Returns the customer's accounts, or only the one in `currency`, sorted by currency, each with its last
    /// [`CHANGES_MAX`] changes.
    async fn find(&self, user: UserId, currency: Option<Currency>) -> Result<Vec<Account>, LedgerError>;

    /// Sets the limit of the customer's account in the limit's currency (opening it if necessary) and records
    /// the change, in one transaction. The charged amount does not change, even if it exceeds the new limit.
    async fn set_limit(&self, limit: &NewLimit) -> Result<LimitChange, LedgerError>;
}

/// The clock.
pub trait Clock: Send + Sync {
    /// Milliseconds since the Unix epoch. The clock may jump.
    fn now_ms(&self) -> i64;
}

/// Generates ids that are unique within this instance. Another instance may generate the same id.
pub trait IdGenerator: Send + Sync {
    /// A new payment id.
    fn payment_id(&self) -> PaymentId;

    /// A new bill id.
    fn bill_id(&self) -> BillId;

    /// A new id of a limit change.
    fn change_id(&self) -> ChangeId;
}
