//! A database that fails at each point of a charge: what is said of the outcome, and what is left behind.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Waker},
};

use money::Currency;
use payment::{
    adapters::{
        grpc::PaymentService,
        runtime::{SystemClock, TimeOrderedIds},
    },
    application::{Application, ChargeError, ReadError, Receipt, VoidError},
    domain::{CreditLimit, PaymentId},
    ports::{IdGenerator, Ledger},
};
use proto::payment::{CreatePaymentRequest, VoidPaymentRequest, payment_server::Payment};
use tokio_util::task::TaskTracker;
use tonic::{Code, Request};
use tonic_types::StatusExt;

use crate::books::{Books, DbBooks, execute, money, order, request, user};

fn application(ledger: Arc<dyn Ledger>) -> Application {
    let (clock, ids) = (Arc::new(SystemClock), Arc::new(TimeOrderedIds::default()));
    Application { ledger, clock, ids, credit_limit: CreditLimit::default() }
}

fn create(order_id: i64) -> Request<CreatePaymentRequest> {
    Request::new(CreatePaymentRequest { user_id: 123, order_id, total_price: 32.0, total: None })
}

#[tokio::test]
async fn a_database_that_is_gone_is_not_started_and_told_so() {
    let books = DbBooks::in_file().await;
    books.database.close().await;
    let application = application(Arc::new(books.ledger));
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

/// What a charge and a void come to that were refused and undone.
const NOTHING: (ChargeError, VoidError) = (ChargeError::NotStarted, VoidError::NotStarted);
const ANYTHING: (ChargeError, VoidError) = (ChargeError::Unknown, VoidError::Unknown);

/// Each fails the charge of order 666 at another point: before the payment is written, while SQLite ends the
/// transaction by itself, and at the commit; with what is certain then.
const SABOTAGE: [(&str, (ChargeError, VoidError)); 3] = [
    (
        "CREATE TRIGGER sabotage BEFORE INSERT ON payments WHEN NEW.order_id = 666
     BEGIN SELECT RAISE(ABORT, 'sabotage'); END",
        NOTHING,
    ),
    (
        "CREATE TRIGGER sabotage AFTER INSERT ON payments WHEN NEW.order_id = 666
     BEGIN SELECT RAISE(ROLLBACK, 'sabotage'); END",
        NOTHING,
    ),
    (
        "CREATE TABLE parent (k BIGINT PRIMARY KEY);
     CREATE TABLE child (k BIGINT REFERENCES parent (k) DEFERRABLE INITIALLY DEFERRED);
     CREATE TRIGGER sabotage AFTER INSERT ON payments WHEN NEW.order_id = 666
     BEGIN INSERT INTO child VALUES (1); END",
        ANYTHING,
    ),
];

#[tokio::test]
async fn a_failure_after_the_first_statement_tells_what_is_certain_and_leaves_nothing() {
    for (sabotage, (charge, void)) in SABOTAGE {
        let books = DbBooks::in_file().await;
        execute(&books.database, sabotage).await;
        let application = application(Arc::new(books.ledger.clone()));
        let failed = application.charge(request(666, 123, money("USD", 3_200))).await;
        assert_eq!(failed, Err(charge), "{sabotage}");
        assert_eq!(application.void(order(666)).await, Err(void), "{sabotage}");
        let service = PaymentService::new(application.clone(), TaskTracker::new());
        let status = service.create(create(666)).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{sabotage}");
        // Details would say that nothing happened.
        assert_eq!(status.details().is_empty(), charge == ChargeError::Unknown, "{sabotage}");
        assert!(!status.message().contains("sabotage"));

        assert_eq!(application.payment(order(666)).await, Err(ReadError::NotFound { order: order(666) }));
        assert_eq!(books.charged_minor(user(123), Currency::USD).await, None);
        application.charge(request(12, 123, money("USD", 3_200))).await.unwrap();
        assert_eq!(books.charged_minor(user(123), Currency::USD).await, Some(3_200));
        assert_eq!(books.discrepancies().await, 0);
    }
}

#[tokio::test]
async fn a_row_that_no_payment_has_is_no_answer() {
    let books = DbBooks::in_file().await;
    execute(
        &books.database,
        "INSERT INTO payments VALUES (1, 1, 'PAID', NULL, NULL, NULL, NULL, NULL, 0);
         INSERT INTO payments VALUES (2, 2, 'CHARGED', NULL, 1, 'USD', 1, NULL, 0);
         INSERT INTO payments VALUES (3, 3, 'CHARGED', 3, 1, 'USD', -1, NULL, 0);
         INSERT INTO payments VALUES (4, 4, 'DECLINED', NULL, 1, 'USD', 1, 'WHY', 0);
         INSERT INTO payments VALUES (5, 5, 'DECLINED', NULL, 1, 'XAU', 1, 'INSUFFICIENT_BALANCE', 0)",
    )
    .await;
    let application = application(Arc::new(books.ledger));
    for id in 1..=5 {
        assert_eq!(application.payment(order(id)).await, Err(ReadError::Unavailable), "{id}");
        assert_eq!(application.charge(request(id, 1, money("USD", 1))).await, Err(ChargeError::Unknown));
    }
}

#[tokio::test]
async fn the_audit_finds_an_account_that_does_not_add_up() {
    for tampering in [
        "UPDATE accounts SET charged_minor = charged_minor + 1 WHERE user_id = 1",
        "UPDATE payments SET amount_minor = amount_minor - 1 WHERE user_id = 1",
        "DELETE FROM payments WHERE user_id = 1",
        "DELETE FROM accounts WHERE user_id = 1",
    ] {
        let books = DbBooks::in_file().await;
        let application = application(Arc::new(books.ledger.clone()));
        for id in 1..=3 {
            application.charge(request(id, id, money("USD", 1))).await.unwrap();
        }
        assert_eq!(books.discrepancies().await, 0);
        execute(&books.database, tampering).await;
        assert_eq!(books.discrepancies().await, 1, "{tampering}");
    }
}

/// IdGenerator of another instance first, as often as told.
struct Drawn {
    taken: PaymentId,
    times: std::sync::atomic::AtomicI64,
    then: TimeOrderedIds,
}

impl IdGenerator for Drawn {
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

#[tokio::test]
async fn an_id_that_another_instance_drew_is_drawn_again() {
    let books = DbBooks::in_file().await;
    let mut application = application(Arc::new(books.ledger.clone()));
    let taken = application.charge(request(1, 1, money("USD", 1))).await.unwrap().payment;
    let with = |times: i64| Drawn { taken, times: times.into(), then: TimeOrderedIds::default() };
    application.ids = Arc::new(with(3));
    let Receipt { payment, .. } = application.charge(request(2, 1, money("USD", 1))).await.unwrap();
    assert_ne!(payment, taken);
    application.ids = Arc::new(with(3));
    assert_ne!(application.void(order(3)).await.unwrap().id, taken);
    application.ids = Arc::new(with(i64::MAX));
    assert_eq!(application.charge(request(4, 1, money("USD", 1))).await, Err(ChargeError::NotStarted));
    assert_eq!(books.charged_minor(user(1), Currency::USD).await, Some(2));
}

#[tokio::test]
async fn a_caller_that_leaves_does_not_cut_the_charge() {
    let books = DbBooks::in_file().await;
    let application = application(Arc::new(books.ledger.clone()));
    let tasks = TaskTracker::new();
    let service = PaymentService::new(application.clone(), tasks.clone());
    {
        let mut call = pin!(service.create(create(12)));
        assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    tasks.close();
    tasks.wait().await;
    application.payment(order(12)).await.unwrap();
    assert_eq!(books.charged_minor(user(123), Currency::USD).await, Some(3_200));
}

#[test]
fn ids_below_one_do_not_exist() {
    assert_eq!((PaymentId::new(0), payment::domain::BillId::new(-1)), (None, None));
}
