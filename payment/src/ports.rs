//! What the application needs of the world, as obligations that every adapter keeps.

use async_trait::async_trait;
use money::{Currency, Money};

use crate::domain::{
    Account, BillId, ChangeId, ChargeRequest, LimitChange, Operator, OrderId, Payment, PaymentId, Reason,
    UserId,
};

/// A ledger that did not do what it was asked. The cause is the adapter's to log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// Nothing was written, since an id is taken or another writer was first; asking again with other ids
    /// may succeed.
    #[error("an id is taken")]
    Conflict,
    /// Nothing was written: it could not be begun, or was refused and undone.
    #[error("the ledger could not be written to")]
    NotStarted,
    /// What was asked may or may not have happened; only reading again can tell.
    #[error("the ledger gave no answer")]
    Unknown,
}

/// What is recorded if a charge is the first that is heard of its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewCharge {
    /// Who pays how much for what.
    pub request: ChargeRequest,
    /// The id of the record.
    pub payment: PaymentId,
    /// The bill of the charge.
    pub bill: BillId,
    /// The credit limit of the customer's account, if this charge opens it; in the currency of the total.
    pub opening_limit: Money,
    /// Milliseconds since the Unix epoch.
    pub now_ms: i64,
}

/// What is recorded if an order that is given up was never heard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewVoid {
    /// What is given up.
    pub order: OrderId,
    /// The id of the record.
    pub payment: PaymentId,
    /// Milliseconds since the Unix epoch.
    pub now_ms: i64,
}

/// Where accounts and payments are kept.
///
/// An order has at most one payment, which never changes: of any number of writers, on any number of
/// instances, one is first, and the others are returned what it wrote. What a method returned `Ok` for has
/// been committed durably. Every field reads back as it was written. For every account, at every moment,
/// the amount charged is the sum of its CHARGED payments, and no charge takes it above the credit limit.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Returns the payment that is there for the order, whoever it was asked for; where there is none,
    /// records one, wholly or not at all: CHARGED, with the amount debited from the customer's account in
    /// that currency (opened where it is missing), if that stays within its limit, else DECLINED with the
    /// account as it was.
    async fn record_charge(&self, charge: &NewCharge) -> Result<Payment, LedgerError>;

    /// Returns the payment that is there for the order; where there is none, records a VOIDED one.
    async fn record_void(&self, void: &NewVoid) -> Result<Payment, LedgerError>;

    /// The payment of the order. That there is none is no promise: one may be on its way.
    async fn find(&self, order: OrderId) -> Result<Option<Payment>, LedgerError>;
}

/// What an account's limit is set to, by whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLimit {
    /// Whose account.
    pub user: UserId,
    /// The limit from now on, of the account in its currency.
    pub limit: Money,
    /// The id of the record.
    pub change: ChangeId,
    /// Who sets it.
    pub operator: Operator,
    /// Why, where it was said.
    pub reason: Option<Reason>,
    /// Milliseconds since the Unix epoch.
    pub now_ms: i64,
}

/// How many changes of an account are told.
pub const CHANGES_MAX: usize = 10;

/// The accounts of a [`Ledger`], as operators see and change them.
///
/// What a method returned `Ok` for has been committed durably, and holds for every charge that begins later.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// The customer's accounts, or the one in that currency, by currency, each with its last [`CHANGES_MAX`]
    /// changes.
    async fn find(&self, user: UserId, currency: Option<Currency>) -> Result<Vec<Account>, LedgerError>;

    /// Sets the limit of the customer's account in its currency (opened where it is missing) and records the
    /// change, both or neither. What was charged stays as it was, even above the new limit.
    async fn set_limit(&self, limit: &NewLimit) -> Result<LimitChange, LedgerError>;
}

/// Time.
pub trait Clock: Send + Sync {
    /// Milliseconds since the Unix epoch; may jump.
    fn now_ms(&self) -> i64;
}

/// New ids, none of which this instance gave before. Another instance may have drawn the same.
pub trait IdGenerator: Send + Sync {
    /// An id for a payment.
    fn payment_id(&self) -> PaymentId;

    /// An id for a bill.
    fn bill_id(&self) -> BillId;

    /// An id for a change of an account.
    fn change_id(&self) -> ChangeId;
}
