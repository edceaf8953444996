//! The service over a socket: exact codes, messages and details.

use std::net::SocketAddr;
use test_support::{Trial, tests};

use proto::{
    google_type::Money,
    payment::{
        CreatePaymentRequest, GetPaymentRequest, GetPaymentResponse, PaymentStatus, VoidPaymentRequest,
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tonic::{Code, Status, transport::Channel};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_types::{ErrorDetail, StatusExt};

use crate::{
    fixtures::execute,
    running_service::{Service, open},
};

pub(crate) fn trials() -> Vec<Trial> {
    tests![
        a_repeated_charge_returns_the_same_payment,
        a_decline_has_the_status_of_the_old_contract_and_is_final,
        another_amount_currency_or_user_is_a_mismatch_that_charges_nothing,
        a_currency_without_a_limit_is_declined_for_good_unless_the_customer_has_an_account,
        a_void_records_a_tombstone_only_without_a_payment,
        get_without_a_payment_is_not_found,
        every_invalid_field_is_reported_at_once_and_nothing_is_recorded,
        the_limit_counts_major_units_of_each_currency,
        health_and_readiness_report_serving,
    ]
    .into()
}

/// A request of the old contract.
fn old(user_id: i64, order_id: i64, total_price: f32) -> CreatePaymentRequest {
    CreatePaymentRequest { user_id, order_id, total_price, total: None }
}

fn exact(user_id: i64, order_id: i64, code: &str, units: i64, nanos: i32) -> CreatePaymentRequest {
    let total = Some(Money { currency_code: code.to_owned(), units, nanos });
    CreatePaymentRequest { user_id, order_id, total_price: 0.0, total }
}

async fn recorded(service: &Service, order_id: i64) -> Result<GetPaymentResponse, Status> {
    service.client.clone().get(GetPaymentRequest { order_id }).await.map(tonic::Response::into_inner)
}

/// Domain and reason of the status's ErrorInfo.
fn reason(status: &Status) -> (String, String) {
    let info = status.get_details_error_info().unwrap();
    (info.domain, info.reason)
}

/// The response of the admin listener, with its head.
pub(crate) async fn get(admin: SocketAddr, path: &str) -> String {
    let mut admin = TcpStream::connect(admin).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    admin.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    admin.read_to_string(&mut response).await.unwrap();
    response
}

async fn a_repeated_charge_returns_the_same_payment() {
    let directory = tempfile::tempdir().unwrap();
    let service = Service::start(directory.path()).await;
    let mut client = service.client.clone();
    let first = client.create(old(123, 12, 32.0)).await.unwrap().into_inner();
    assert!(first.payment_id > 0 && first.bill_id > 0);
    assert_eq!(client.create(old(123, 12, 32.0)).await.unwrap().into_inner(), first);
    assert_eq!(client.create(exact(123, 12, "USD", 32, 0)).await.unwrap().into_inner(), first);

    let payment = recorded(&service, 12).await.unwrap();
    assert!(payment.create_time.unwrap().seconds > 1_767_225_600);
    let want = GetPaymentResponse {
        status: PaymentStatus::Charged.into(),
        payment_id: first.payment_id,
        order_id: 12,
        user_id: 123,
        bill_id: first.bill_id,
        total: Some(Money { currency_code: "USD".to_owned(), units: 32, nanos: 0 }),
        decline_reason: String::new(),
        create_time: payment.create_time,
    };
    assert_eq!(payment, want);
    service.stop().await;
}

async fn a_decline_has_the_status_of_the_old_contract_and_is_final() {
    let directory = tempfile::tempdir().unwrap();
    let service = Service::start(directory.path()).await;
    let mut client = service.client.clone();
    client.create(old(123, 1, 99.0)).await.unwrap();
    for _ in 0..2 {
        let status = client.create(old(123, 2, 2.0)).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::InvalidArgument, "failed to charge user: 123"));
        assert_eq!(reason(&status), ("payment".to_owned(), "DECLINED".to_owned()));
        let order = status.get_error_details_vec();
        assert!(matches!(&order[..], [ErrorDetail::BadRequest(_), ErrorDetail::ErrorInfo(_)]), "{order:?}");
        let details = status.check_error_details().unwrap();
        let metadata = &details.error_info().unwrap().metadata;
        assert_eq!((metadata.len(), metadata["decline_reason"].as_str()), (1, "INSUFFICIENT_BALANCE"));
        let [violation] = details.bad_request().unwrap().field_violations.as_slice() else {
            panic!("one violation");
        };
        assert_eq!(
            (violation.field.as_str(), violation.description.as_str()),
            ("total_price", "insufficient balance")
        );
    }
    let payment = recorded(&service, 2).await.unwrap();
    assert_eq!(payment.status(), PaymentStatus::Declined);
    assert_eq!((payment.bill_id, payment.user_id), (0, 123));
    assert_eq!(payment.decline_reason, "INSUFFICIENT_BALANCE");
    assert_eq!(payment.total, Some(Money { currency_code: "USD".to_owned(), units: 2, nanos: 0 }));
    // The account was not debited: the rest of the limit is available.
    client.create(old(123, 3, 1.0)).await.unwrap();
    service.stop().await;
}

async fn a_currency_without_a_limit_is_declined_for_good_unless_the_customer_has_an_account() {
    let directory = tempfile::tempdir().unwrap();
    let service = Service::start(directory.path()).await;
    let mut client = service.client.clone();
    for (order_id, code) in [(1, "CHF"), (1, "CHF"), (2, "BHD"), (3, "BGN"), (4, "CLF")] {
        let status = client.create(exact(123, order_id, code, 1, 0)).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::InvalidArgument, "failed to charge user: 123"));
        assert_eq!(reason(&status), ("payment".to_owned(), "DECLINED".to_owned()));
        let details = status.check_error_details().unwrap();
        let metadata = &details.error_info().unwrap().metadata;
        assert_eq!((metadata.len(), metadata["decline_reason"].as_str()), (1, "CURRENCY_NOT_ACCEPTED"));
        let violation = &details.bad_request().unwrap().field_violations[0];
        assert_eq!(
            (violation.field.as_str(), violation.description.as_str()),
            ("total_price", "currency not accepted")
        );
        let payment = recorded(&service, order_id).await.unwrap();
        assert_eq!(payment.status(), PaymentStatus::Declined);
        assert_eq!((payment.bill_id, payment.decline_reason.as_str()), (0, "CURRENCY_NOT_ACCEPTED"));
    }
    // An account that an operator opened is enough.
    let database = open(directory.path()).await;
    execute(&database, "INSERT INTO accounts VALUES (123, 'CHF', 200, 0, 0)").await;
    database.close().await;
    client.create(exact(123, 11, "CHF", 2, 0)).await.unwrap();
    let over = client.create(exact(123, 12, "CHF", 1, 0)).await.unwrap_err();
    let info = over.get_details_error_info().unwrap();
    assert_eq!(info.metadata["decline_reason"], "INSUFFICIENT_BALANCE");
    client.create(exact(123, 1, "CHF", 1, 0)).await.unwrap_err();
    service.stop().await;
}

async fn another_amount_currency_or_user_is_a_mismatch_that_charges_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let service = Service::start(directory.path()).await;
    let mut client = service.client.clone();
    let first = client.create(old(123, 12, 32.0)).await.unwrap().into_inner();
    for other in [old(123, 12, 32.01), old(124, 12, 32.0), exact(123, 12, "EUR", 32, 0)] {
        let status = client.create(other).await.unwrap_err();
        assert_eq!(status.code(), Code::FailedPrecondition);
        assert_eq!(status.message(), "order 12 is known with another amount, currency or user");
        assert_eq!(reason(&status), ("payment".to_owned(), "MISMATCH".to_owned()));
    }
    assert_eq!(client.create(old(123, 12, 32.0)).await.unwrap().into_inner(), first);
    service.stop().await;
}

async fn a_void_records_a_tombstone_only_without_a_payment() {
    let directory = tempfile::tempdir().unwrap();
    let service = Service::start(directory.path()).await;
    let mut client = service.client.clone();
    let void = async |order_id| {
        let response = service.client.clone().void(VoidPaymentRequest { order_id }).await;
        response.unwrap().into_inner().payment.unwrap()
    };
    let tombstone = void(12).await;
    assert_eq!(tombstone.status(), PaymentStatus::Voided);
    assert_eq!((tombstone.order_id, tombstone.user_id, tombstone.bill_id), (12, 0, 0));
    assert_eq!((tombstone.total.clone(), tombstone.decline_reason.as_str()), (None, ""));
    assert!(tombstone.payment_id > 0);
    assert_eq!(void(12).await, tombstone);
    assert_eq!(recorded(&service, 12).await.unwrap(), tombstone);

    let late = client.create(old(123, 12, 32.0)).await.unwrap_err();
    assert_eq!(
        (late.code(), late.message()),
        (Code::FailedPrecondition, "order 12 was given up; nothing is charged")
    );
    assert_eq!(reason(&late), ("payment".to_owned(), "VOIDED".to_owned()));

    client.create(old(123, 13, 32.0)).await.unwrap();
    assert_eq!(void(13).await, recorded(&service, 13).await.unwrap());
    assert_eq!(void(13).await.status(), PaymentStatus::Charged);
    service.stop().await;
}

async fn get_without_a_payment_is_not_found() {
    let directory = tempfile::tempdir().unwrap();
    let service = Service::start(directory.path()).await;
    let status = recorded(&service, 12).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::NotFound, "no payment is recorded for order 12"));
    let resource = status.get_details_resource_info().unwrap();
    assert_eq!((resource.resource_type.as_str(), resource.resource_name.as_str()), ("payment", "12"));
    assert_eq!(resource.owner, "");
    service.stop().await;
}

async fn every_invalid_field_is_reported_at_once_and_nothing_is_recorded() {
    let directory = tempfile::tempdir().unwrap();
    let service = Service::start(directory.path()).await;
    let mut client = service.client.clone();
    let status = client.create(old(0, -12, f32::NAN)).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::InvalidArgument, "the request is invalid"));
    let violations = status.get_details_bad_request().unwrap().field_violations;
    let named: Vec<(&str, &str)> =
        violations.iter().map(|one| (one.field.as_str(), one.description.as_str())).collect();
    let above = "must be above 0";
    assert_eq!(named, [("user_id", above), ("order_id", above), ("total_price", "must be a decimal number")]);
    // No ErrorInfo: the caller must not take it for a decline.
    assert!(status.get_details_error_info().is_none());
    for order_id in [0, -1, i64::MIN] {
        for status in [
            recorded(&service, order_id).await.unwrap_err(),
            client.void(VoidPaymentRequest { order_id }).await.unwrap_err(),
        ] {
            assert_eq!(status.code(), Code::InvalidArgument);
            assert_eq!(status.get_details_bad_request().unwrap().field_violations[0].field, "order_id");
        }
    }
    client.create(exact(123, 12, "GBP", 0, 1)).await.unwrap_err();
    assert_eq!(recorded(&service, 12).await.unwrap_err().code(), Code::NotFound);
    service.stop().await;
}

async fn the_limit_counts_major_units_of_each_currency() {
    let directory = tempfile::tempdir().unwrap();
    let service = Service::start(directory.path()).await;
    let mut client = service.client.clone();
    for (order_id, code) in [(1, "USD"), (2, "JPY"), (3, "KWD")] {
        client.create(exact(123, order_id, code, 100, 0)).await.unwrap();
        let status = client.create(exact(123, order_id + 10, code, 1, 0)).await.unwrap_err();
        assert_eq!(reason(&status).1, "DECLINED", "{code}");
    }
    service.stop().await;
}

async fn health_and_readiness_report_serving() {
    let directory = tempfile::tempdir().unwrap();
    let service = Service::start(directory.path()).await;
    let channel =
        Channel::from_shared(format!("http://{}", service.address)).unwrap().connect().await.unwrap();
    let mut health = HealthClient::new(channel);
    for name in ["", "Payment"] {
        let request = HealthCheckRequest { service: name.to_owned() };
        let response = health.check(request).await.unwrap().into_inner();
        assert_eq!(response.status(), ServingStatus::Serving, "{name}");
    }
    let response = get(service.admin, "/readyz").await;
    assert!(response.starts_with("HTTP/1.1 200") && response.ends_with("ready\n"), "{response}");
    drop(health);
    service.stop().await;
}
