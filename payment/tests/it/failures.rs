//! Failures of the database at each point of a charge: the reported outcome and the remaining rows.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Waker},
};
use test_support::{Trial, tests};

use money::Currency;
use payment::{
    adapters::{
        grpc::PaymentService,
        runtime::{SystemClock, TimeOrderedIds},
    },
    application::{Application, ChargeError, ReadError, Receipt, VoidError},
    domain::{CreditLimits, PaymentId},
    ports::{IdGenerator, Ledger},
};
use proto::payment::{CreatePaymentRequest, VoidPaymentRequest, payment_server::Payment};
use tokio_util::task::TaskTracker;
use tonic::{Code, Request};
use tonic_types::StatusExt;

use crate::fixtures::{TestDatabase, execute, money, order, request, user};

pub(crate) fn trials() -> Vec<Trial> {
    tests![
        a_closed_database_returns_not_started,
        a_failed_transaction_returns_its_certainty_and_leaves_no_rows,
        an_invalid_row_is_an_error,
        the_audit_finds_each_kind_of_tampering,
        a_taken_id_is_replaced_by_a_new_one,
        a_dropped_call_does_not_cancel_the_charge,
        ids_below_one_are_rejected,
    ]
    .into()
}

fn application(ledger: Arc<dyn Ledger>) -> Application {
    let (clock, ids) = (Arc::new(SystemClock), Arc::new(TimeOrderedIds::default()));
    Application { ledger, clock, ids, credit_limits: Arc::new(CreditLimits::DEFAULT.parse().unwrap()) }
}

fn create(order_id: i64) -> Request<CreatePaymentRequest> {
    Request::new(CreatePaymentRequest { user_id: 123, order_id, total_price: 32.0, total: None })
}

async fn a_closed_database_returns_not_started() {
    let database = TestDatabase::in_file().await;
    database.database.close().await;
    let application = application(Arc::new(database.ledger));
    assert_eq!(application.charge(request(1, 1, money("USD", 1))).await, Err(ChargeError::NotStarted));
    assert_eq!(application.void(order(1)).await, Err(VoidError::NotStarted));
    assert_eq!(application.payment(order(1)).await, Err(ReadError::Unavailable));

    let service = PaymentService::new(application, TaskTracker::new());
    for status in [
        service.create(create(12)).await.unwrap_err(),
        service.void(Request::new(VoidPaymentRequest { order_id: 12 })).await.unwrap_err(),
    ] {
        assert_eq!(status.code(), Code::Unavailable);
        let details = status.get_error_details();
        let info = details.error_info().unwrap();
        assert_eq!((info.domain.as_str(), info.reason.as_str()), ("payment", "NOT_STARTED"));
        assert!(details.retry_info().is_some());
    }
}

/// The errors of a charge and a void that were rolled back, and of those in doubt.
const ROLLED_BACK: (ChargeError, VoidError) = (ChargeError::NotStarted, VoidError::NotStarted);
const IN_DOUBT: (ChargeError, VoidError) = (ChargeError::Unknown, VoidError::Unknown);

/// Triggers that fail the charge of order 666: for its data, before the INSERT, with a rollback by SQLite itself, and at
/// COMMIT; with the expected errors.
const FAILURES: [(&str, (ChargeError, VoidError)); 4] = [
    (
        "CREATE TABLE refused (k BIGINT NOT NULL);
     CREATE TRIGGER failure AFTER INSERT ON payments WHEN NEW.order_id = 666
     BEGIN INSERT INTO refused VALUES (NULL); END",
        (ChargeError::NotStored, VoidError::NotStored),
    ),
    (
        "CREATE TRIGGER failure BEFORE INSERT ON payments WHEN NEW.order_id = 666
     BEGIN SELECT RAISE(ABORT, 'injected failure'); END",
        ROLLED_BACK,
    ),
    (
        "CREATE TRIGGER failure AFTER INSERT ON payments WHEN NEW.order_id = 666
     BEGIN SELECT RAISE(ROLLBACK, 'injected failure'); END",
        ROLLED_BACK,
    ),
    (
        "CREATE TABLE parent (k BIGINT PRIMARY KEY);
     CREATE TABLE child (k BIGINT REFERENCES parent (k) DEFERRABLE INITIALLY DEFERRED);
     CREATE TRIGGER failure AFTER INSERT ON payments WHEN NEW.order_id = 666
     BEGIN INSERT INTO child VALUES (1); END",
        IN_DOUBT,
    ),
];

async fn a_failed_transaction_returns_its_certainty_and_leaves_no_rows() {
    for (trigger, (charge, void)) in FAILURES {
        let database = TestDatabase::in_file().await;
        execute(&database.database, trigger).await;
        let application = application(Arc::new(database.ledger.clone()));
        let failed = application.charge(request(666, 123, money("USD", 3_200))).await;
        assert_eq!(failed, Err(charge), "{trigger}");
        assert_eq!(application.void(order(666)).await, Err(void), "{trigger}");
        let service = PaymentService::new(application.clone(), TaskTracker::new());
        let status = service.create(create(666)).await.unwrap_err();
        let refused = charge == ChargeError::NotStored;
        assert_eq!(status.code(), if refused { Code::Internal } else { Code::Unavailable }, "{trigger}");
        assert_eq!(status.get_details_retry_info().is_some(), charge == ChargeError::NotStarted);
        // Details would claim that nothing was charged.
        assert_eq!(status.details().is_empty(), charge == ChargeError::Unknown, "{trigger}");
        assert!(!status.message().contains("injected failure"));

        assert_eq!(application.payment(order(666)).await, Err(ReadError::NotFound { order: order(666) }));
        assert_eq!(database.charged_minor(user(123), Currency::USD).await, None);
        application.charge(request(12, 123, money("USD", 3_200))).await.unwrap();
        assert_eq!(database.charged_minor(user(123), Currency::USD).await, Some(3_200));
        assert_eq!(database.discrepancies().await, 0);
    }
}

async fn an_invalid_row_is_an_error() {
    let database = TestDatabase::in_file().await;
    execute(
        &database.database,
        "INSERT INTO payments VALUES (1, 1, 'CHARGED', NULL, 1, 'USD', 1, NULL, 0);
         INSERT INTO payments VALUES (2, 2, 'CHARGED', 3, 1, 'USD', -1, NULL, 0)",
    )
    .await;
    let application = application(Arc::new(database.ledger));
    for id in 1..=2 {
        assert_eq!(application.payment(order(id)).await, Err(ReadError::Unavailable), "{id}");
        assert_eq!(application.charge(request(id, 1, money("USD", 1))).await, Err(ChargeError::Unknown));
    }
}

async fn the_audit_finds_each_kind_of_tampering() {
    for tampering in [
        "UPDATE accounts SET charged_minor = charged_minor + 1 WHERE user_id = 1",
        "UPDATE payments SET amount_minor = amount_minor - 1 WHERE user_id = 1",
        "DELETE FROM payments WHERE user_id = 1",
        "DELETE FROM accounts WHERE user_id = 1",
    ] {
        let database = TestDatabase::in_file().await;
        let application = application(Arc::new(database.ledger.clone()));
        for id in 1..=3 {
            application.charge(request(id, id, money("USD", 1))).await.unwrap();
        }
        assert_eq!(database.discrepancies().await, 0);
        execute(&database.database, tampering).await;
        assert_eq!(database.discrepancies().await, 1, "{tampering}");
    }
}

/// Returns a taken payment id `times` times, then new ids.
struct TakenIds {
    taken: PaymentId,
    times: std::sync::atomic::AtomicI64,
    then: TimeOrderedIds,
}

impl IdGenerator for TakenIds {
    fn payment_id(&self) -> PaymentId {
        let left = self.times.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
        if left > 0 { self.taken } else { self.then.payment_id() }
    }

    fn bill_id(&self) -> payment::domain::BillId {
        self.then.bill_id()
    }

    fn change_id(&self) -> payment::domain::ChangeId {
        self.then.change_id()
    }
}

async fn a_taken_id_is_replaced_by_a_new_one() {
    let database = TestDatabase::in_file().await;
    let mut application = application(Arc::new(database.ledger.clone()));
    let taken = application.charge(request(1, 1, money("USD", 1))).await.unwrap().payment;
    let with = |times: i64| TakenIds { taken, times: times.into(), then: TimeOrderedIds::default() };
    application.ids = Arc::new(with(3));
    let Receipt { payment, .. } = application.charge(request(2, 1, money("USD", 1))).await.unwrap();
    assert_ne!(payment, taken);
    application.ids = Arc::new(with(3));
    assert_ne!(application.void(order(3)).await.unwrap().id, taken);
    application.ids = Arc::new(with(i64::MAX));
    assert_eq!(application.charge(request(4, 1, money("USD", 1))).await, Err(ChargeError::NotStarted));
    assert_eq!(database.charged_minor(user(1), Currency::USD).await, Some(2));
}

async fn a_dropped_call_does_not_cancel_the_charge() {
    let database = TestDatabase::in_file().await;
    let application = application(Arc::new(database.ledger.clone()));
    let tasks = TaskTracker::new();
    let service = PaymentService::new(application.clone(), tasks.clone());
    {
        let mut call = pin!(service.create(create(12)));
        assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    tasks.close();
    tasks.wait().await;
    application.payment(order(12)).await.unwrap();
    assert_eq!(database.charged_minor(user(123), Currency::USD).await, Some(3_200));
}

async fn ids_below_one_are_rejected() {
    assert_eq!((PaymentId::new(0), payment::domain::BillId::new(-1)), (None, None));
}
