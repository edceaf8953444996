//! Maps payments to rows and back. A row with an invalid value is an error.

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
        Outcome::Voided => {}
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
    let status = Status::from_name(&status).ok_or_else(|| invalid("payments.status"))?;
    let outcome = match status {
        Status::Charged => {
            let bill: i64 = row.try_get(3)?;
            let bill = BillId::new(bill).ok_or_else(|| invalid("payments.bill_id"))?;
            let (user, total) = (read_user(row)?, read_total(row)?);
            Outcome::Charged { user, total, bill }
        }
        Status::Declined => {
            let reason: String = row.try_get(7)?;
            let reason =
                DeclineReason::from_name(&reason).ok_or_else(|| invalid("payments.decline_reason"))?;
            Outcome::Declined { user: read_user(row)?, total: read_total(row)?, reason }
        }
        Status::Voided => Outcome::Voided,
    };
    Ok(Payment {
        id: PaymentId::new(id).ok_or_else(|| invalid("payments.payment_id"))?,
        order: OrderId::new(order).ok_or_else(|| invalid("payments.order_id"))?,
        outcome,
        created_ms: row.try_get(8)?,
    })
}

/// The key of an account: user and currency.
pub(super) fn read_account(row: &AnyRow) -> Result<(UserId, Currency), sqlx::Error> {
    let (user, code): (i64, String) = (row.try_get(0)?, row.try_get(1)?);
    let user = UserId::new(user).ok_or_else(|| invalid("accounts.user_id"))?;
    Ok((user, Currency::from_code(&code).map_err(|_| invalid("accounts.currency"))?))
}

fn read_user(row: &AnyRow) -> Result<UserId, sqlx::Error> {
    UserId::new(row.try_get(4)?).ok_or_else(|| invalid("payments.user_id"))
}

fn read_total(row: &AnyRow) -> Result<Money, sqlx::Error> {
    let (code, minor): (String, i64) = (row.try_get(5)?, row.try_get(6)?);
    let currency = Currency::from_code(&code).map_err(|_| invalid("payments.currency"))?;
    Money::from_minor(currency, minor).map_err(|_| invalid("payments.amount_minor"))
}

/// The error of a column that holds an invalid value.
pub(super) fn invalid(column: &str) -> sqlx::Error {
    sqlx::Error::Decode(format!("invalid value in column {column}").into())
}
