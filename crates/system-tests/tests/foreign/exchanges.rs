//! The exchanges that clients of the old contract rely on, spoken by grpcio with what reflection tells it.

use all_in_one::System;
use test_support::{Failed, Need, Trial, succeed, trial};

use crate::{service::Service, tree::python};

pub(crate) fn trials() -> Vec<Trial> {
    let needs = &[Need::Grpcio];
    vec![
        trial("grpcio_pays_and_is_declined", needs, || exchange("payment")),
        trial("grpcio_orders_and_is_declined", needs, || exchange("order")),
        trial("production_has_health_and_no_reflection", needs, production),
    ]
}

async fn exchange(service: &str) -> Result<(), Failed> {
    let system = System::start().await?;
    let address = if service == "order" { system.order_address() } else { system.payment_address() };
    let ended = succeed(python("exchanges.py").args([service, &address.to_string()])).await;
    system.stop().await?;
    ended.map(drop)
}

async fn production() -> Result<(), Failed> {
    let data = tempfile::tempdir()?;
    let environment = |database: &str| {
        let mut environment: Vec<(&str, String)> = [
            ("ENV", "production"),
            ("BIND_ADDRESS", "127.0.0.1"),
            ("APPLICATION_PORT", "0"),
            ("ADMIN_ADDRESS", "127.0.0.1:0"),
            ("DB_DRIVER", "sqlite"),
        ]
        .map(|(name, value)| (name, value.to_owned()))
        .into();
        environment.push(("DATA_SOURCE_URL", format!("sqlite://{}/{database}", data.path().display())));
        environment
    };
    let payment = Service::start("payment", &environment("payment.db")).await?;
    let mut order_environment = environment("order.db");
    order_environment.push(("PAYMENT_SERVICE_URL", payment.address.to_string()));
    let order = Service::start("order", &order_environment).await?;
    for (name, service) in [("Payment", &payment), ("Order", &order)] {
        succeed(python("exchanges.py").args(["production", &service.address.to_string(), name])).await?;
    }
    Ok(())
}
