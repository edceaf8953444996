//! Maps payments to rows and back. A status, a reason or a currency that this program does not know, since a
//! newer one wrote it, affects that payment alone. Any other invalid value is an error.

use database::Connection;
use money::{Currency, Money};
use sqlx::{Row, any::AnyRow};

use crate::domain::{BillId, DeclineReason, OrderId, Outcome, Payment, PaymentId, Status, UserId};

/// Selects the columns that [`read`] expects; the parameter is the order id.
pub(super) const SELECT: &str = "SELECT order_id, payment_id, status, bill_id, user_id, currency, amount_minor, \
     decline_reason, created_at_ms FROM payments WHERE order_id = ?";

/// Selects the same columns for order ids above a parameter.
pub(super) const SELECT_AFTER: &str = "SELECT order_id, payment_id, status, bill_id, user_id, currency, \
     amount_minor, decline_reason, created_at_ms FROM payments WHERE order_id > ? ORDER BY order_id LIMIT ?";

const INSERT: &str =
    "INSERT INTO payments (order_id, payment_id, status, bill_id, user_id, currency, amount_minor,
         decline_reason, created_at_ms)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";

pub(super) async fn insert(connection: &mut Connection, payment: &Payment) -> Result<(), sqlx::Error> {
    let (mut bill, mut customer, mut decline_reason) = (None, None, None);
    match payment.outcome {
        Outcome::Charged { user, total, bill: id } => {
            (customer, bill) = (Some((user, total)), Some(id.get()));
        }
        Outcome::Declined { user, total, reason } => {
            (customer, decline_reason) = (Some((user, total)), Some(reason.name()));
        }
        Outcome::Voided | Outcome::Unspecified => {}
    }
    let query = connection
        .query(INSERT)
        .bind(payment.order.get())
        .bind(payment.id.get())
        .bind(payment.outcome.status().name())
        .bind(bill)
        .bind(customer.map(|(user, _)| user.get()))
        .bind(customer.map(|(_, total)| total.currency().code()))
        .bind(customer.map(|(_, total)| total.minor()))
        .bind(decline_reason)
        .bind(payment.created_ms);
    query.execute(connection.executor()).await.map(drop)
}

pub(super) fn read(row: &AnyRow) -> Result<Payment, sqlx::Error> {
    let (order, id, status): (i64, i64, String) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    let total = || read_total(row);
    let outcome = match Status::from_name(&status) {
        Some(Status::Voided) => Outcome::Voided,
        Some(Status::Charged) => match total()? {
            Some(total) => {
                let bill: i64 = row.try_get(3)?;
                let bill = BillId::new(bill).ok_or_else(|| invalid("payments.bill_id"))?;
                Outcome::Charged { user: read_user(row)?, total, bill }
            }
            None => Outcome::Unspecified,
        },
        Some(Status::Declined) => match total()? {
            Some(total) => {
                let reason: String = row.try_get(7)?;
                let reason = DeclineReason::from_name(&reason).unwrap_or(DeclineReason::Unspecified);
                Outcome::Declined { user: read_user(row)?, total, reason }
            }
            None => Outcome::Unspecified,
        },
        Some(Status::Unspecified) | None => Outcome::Unspecified,
    };
    Ok(Payment {
        id: PaymentId::new(id).ok_or_else(|| invalid("payments.payment_id"))?,
        order: OrderId::new(order).ok_or_else(|| invalid("payments.order_id"))?,
        outcome,
        created_ms: row.try_get(8)?,
    })
}

/// Logs the payments of one read that have a value which this program does not know.
pub(super) fn log_unspecified<'a>(payments: impl IntoIterator<Item = &'a Payment>) {
    let is_unspecified = |payment: &&Payment| match payment.outcome {
        Outcome::Declined { reason, .. } => reason == DeclineReason::Unspecified,
        outcome => outcome == Outcome::Unspecified,
    };
    let unspecified: Vec<&Payment> = payments.into_iter().filter(is_unspecified).collect();
    if let Some(first) = unspecified.first() {
        let (order_id, count) = (first.order.get(), unspecified.len());
        tracing::warn!(
            order_id,
            count,
            "payments have a status, a reason or a currency that this program does not know"
        );
    }
}

/// The customer of a payment that has one.
pub(super) fn read_user(row: &AnyRow) -> Result<UserId, sqlx::Error> {
    UserId::new(row.try_get(4)?).ok_or_else(|| invalid("payments.user_id"))
}

/// The amount; `None` if this program does not know the currency.
fn read_total(row: &AnyRow) -> Result<Option<Money>, sqlx::Error> {
    let (code, minor): (String, i64) = (row.try_get(5)?, row.try_get(6)?);
    let Ok(currency) = Currency::from_stored(&code) else { return Ok(None) };
    Money::from_minor(currency, minor).map(Some).map_err(|_| invalid("payments.amount_minor"))
}

/// The error of a column that holds an invalid value.
pub(super) fn invalid(column: &str) -> sqlx::Error {
    sqlx::Error::Decode(format!("invalid value in column {column}").into())
}
