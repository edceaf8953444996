//! `order mismatches` and `order resolve`: orders that Payment knows with another amount, currency or user.

use std::{fmt::Write as _, process::ExitCode, sync::Arc};

use async_trait::async_trait;
use clap::{Args, ValueEnum};
use database::Database;
use prost_types::Timestamp;
use service_kit::{env::Vars, process};

use crate::{
    adapters::{
        db::{DbOrders, MIGRATIONS},
        payment::PaymentOverGrpc,
    },
    application::{Examination, MismatchService},
    config::ResolveConfig,
    domain::{Mismatch, Operator, Order, OrderId, Reason, RecordedPayment},
    ports::{PaymentError, PaymentRecords},
};

#[derive(Debug, Args)]
pub(super) struct Resolve {
    /// The order: a whole number above 0
    #[arg(long, value_name = "ID", value_parser = order_id)]
    order_id: OrderId,
    /// The new status of the order, which is final
    #[arg(long = "as", value_name = "STATUS", requires_all = ["by", "reason"])]
    status: Option<Target>,
    /// The name of the operator, for the record
    #[arg(long, value_name = "NAME", requires = "status")]
    by: Option<Operator>,
    /// Why, for the record
    #[arg(long, value_name = "TEXT", requires = "status")]
    reason: Option<Reason>,
}

/// PAID and DECLINED are no targets: Payment neither charged nor declined this order.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Target {
    /// Give the order up; Payment will never charge it
    Voided,
}

/// Runs `order mismatches` as the whole process.
pub(super) fn list(all: bool, vars: &Vars) -> ExitCode {
    process::run_once(vars, database::Config::read_for_command(vars), async move |config| {
        let database = Database::open(&config, &MIGRATIONS).await.map_err(|error| error.to_string())?;
        let found = service(&database, Arc::new(NoPayment)).list(all).await;
        database.close().await;
        let found = found.map_err(|error| format!("the mismatches could not be read: {error}"))?;
        Ok::<String, String>(match found.is_empty() {
            true => "no mismatch\n".to_owned(),
            false => found.iter().map(line).collect(),
        })
    })
}

/// Runs `order resolve` as the whole process.
pub(super) fn resolve(command: Resolve, vars: &Vars) -> ExitCode {
    process::run_once(vars, ResolveConfig::read(vars), |config| execute(config, command))
}

async fn execute(config: ResolveConfig, command: Resolve) -> Result<String, String> {
    let channel = config.payment.channel(&config.tls, &grpc_client::Metrics::default());
    let payments = PaymentOverGrpc::new(channel.map_err(|error| error.to_string())?);
    let database = Database::open(&config.database, &MIGRATIONS).await.map_err(|error| error.to_string())?;
    let service = service(&database, Arc::new(payments));
    let output = match (command.status, command.by, command.reason) {
        (Some(Target::Voided), Some(operator), Some(reason)) => {
            service.void(command.order_id, operator, reason).await.map(|mismatch| line(&mismatch))
        }
        _ => service.examine(command.order_id).await.map(|examination| shown(&examination)),
    };
    database.close().await;
    output.map_err(|error| error.to_string())
}

fn service(database: &Database, payments: Arc<dyn PaymentRecords>) -> MismatchService {
    let orders = Arc::new(DbOrders::new(database.clone()));
    MismatchService { orders: orders.clone(), mismatches: orders, payments }
}

/// For commands that do not query Payment.
struct NoPayment;

#[async_trait]
impl PaymentRecords for NoPayment {
    async fn recorded(
        &self,
        _: OrderId,
        _: std::time::Duration,
    ) -> Result<Option<RecordedPayment>, PaymentError> {
        Err(PaymentError::Unavailable)
    }
}

fn shown(examination: &Examination) -> String {
    let Examination { order, payment, mismatch } = examination;
    let payment = payment.map_or_else(|| "no record".to_owned(), |payment| payment.to_string());
    let mut text = format!("{}\nPayment has {payment}\n", order_line(order));
    if let Some(mismatch) = mismatch {
        text.push_str(&line(mismatch));
    }
    // Writing to a text cannot fail.
    let _ = match examination.obstacle() {
        Some(obstacle) => writeln!(text, "not to be resolved: {obstacle}"),
        None => writeln!(text, "a mismatch: --as voided --by NAME --reason TEXT voids the order"),
    };
    text
}

fn order_line(order: &Order) -> String {
    let total = order.total.map(|total| format!("{total} {}", total.currency()));
    format!(
        "order {} is {}, {} of user {}, placed {}",
        order.id,
        order.status.name(),
        total.as_deref().unwrap_or("an amount in an unknown currency"),
        order.user.get(),
        time(order.created_ms)
    )
}

fn line(mismatch: &Mismatch) -> String {
    let mut text = format!("order {}: found {}", mismatch.order, time(mismatch.found_ms));
    // Writing to a text cannot fail.
    let _ = match &mismatch.resolution {
        None => writeln!(text, ", open"),
        Some(resolution) => writeln!(
            text,
            ", {} → {} {} by {}: {} (Payment had {})",
            resolution.status_before,
            resolution.status_after,
            time(resolution.resolved_ms),
            resolution.operator.as_str(),
            resolution.reason.as_str(),
            resolution.payment
        ),
    };
    text
}

fn time(ms: i64) -> String {
    let nanos = i32::try_from(ms.rem_euclid(1000)).unwrap_or_default() * 1_000_000;
    Timestamp { seconds: ms.div_euclid(1000), nanos }.to_string()
}

fn order_id(text: &str) -> Result<OrderId, &'static str> {
    text.parse().ok().and_then(OrderId::new).ok_or("accepted: a whole number from 1 to 9223372036854775807")
}
