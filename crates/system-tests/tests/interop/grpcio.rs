//! The calls of clients with the old contract, by grpcio with descriptors from reflection.

use all_in_one::System;
use system_tests::service_process::ServiceProcess;
use test_support::{Failed, Need, Trial, succeed, trial};

use crate::paths::python;

pub(crate) fn trials() -> Vec<Trial> {
    let needs = &[Need::Grpcio];
    vec![
        trial("grpcio_charges_and_is_declined", needs, || call("payment")),
        trial("grpcio_places_an_order_and_is_declined", needs, || call("order")),
        trial("production_has_health_and_no_reflection", needs, production),
    ]
}

async fn call(service: &str) -> Result<(), Failed> {
    let system = System::start().await?;
    let address = if service == "order" { system.order_address() } else { system.payment_address() };
    let output = succeed(python("grpcio_client.py").args([service, &address.to_string()])).await;
    system.stop().await?;
    output.map(drop)
}

async fn production() -> Result<(), Failed> {
    let data = tempfile::tempdir()?;
    let database = |file: &str| {
        let url = format!("sqlite://{}/{file}", data.path().display());
        vec![("DB_DRIVER", "sqlite".to_owned()), ("DATA_SOURCE_URL", url)]
    };
    let vars = database("payment.db");
    let mut payment = ServiceProcess::new(crate::PROGRAM, "payment", 0, data.path(), vars);
    payment.start(&[]).await?;
    let mut vars = database("order.db");
    vars.push(("PAYMENT_SERVICE_URL", payment.address.to_string()));
    let mut order = ServiceProcess::new(crate::PROGRAM, "order", 0, data.path(), vars);
    order.start(&[]).await?;
    for (name, service) in [("Payment", &payment), ("Order", &order)] {
        let address = service.address.to_string();
        succeed(python("grpcio_client.py").args(["production", &address, name])).await?;
    }
    Ok(())
}
