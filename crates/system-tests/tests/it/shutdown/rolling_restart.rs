//! Restart of Order or Payment under load.

use std::{net::SocketAddr, path::Path};

use service_kit::process::DRAIN_MAX;

use super::{CREDIT, Load, LoadKind, load::ClientRecord};
use crate::{
    processes::{Environment, common_vars, database_vars, with_vars},
    support::{Client, free_address, process::Process},
};

/// The configuration of a service process.
struct Service {
    name: &'static str,
    environment: Environment,
}

impl Service {
    /// A service at `address` with its database in `data`, and with the variable that names its
    /// upstream.
    fn new(
        name: &'static str,
        address: SocketAddr,
        data: &Path,
        upstream: Option<(&'static str, SocketAddr)>,
    ) -> Self {
        let mut environment = with_vars(common_vars("production"), &database_vars(data, name));
        environment.push(("APPLICATION_PORT", address.port().to_string()));
        environment.push((CREDIT.0, CREDIT.1.to_owned()));
        environment.extend(upstream.map(|(variable, address)| (variable, address.to_string())));
        Self { name, environment }
    }

    async fn start(&self) -> Process {
        let mut process = Process::start(&[self.name], &self.environment);
        process.address().await;
        process
    }
}

/// Restarts the service at index `restarted` under load; returns the records of the clients,
/// compared with the stored orders.
async fn restart(restarted: usize) -> Vec<ClientRecord> {
    let data = tempfile::tempdir().unwrap();
    let [payment, order, gateway] = [free_address(), free_address(), free_address()];
    let services = [
        Service::new("payment", payment, data.path(), None),
        Service::new("order", order, data.path(), Some(("PAYMENT_SERVICE_URL", payment))),
        Service::new("gateway", gateway, data.path(), Some(("ORDER_SERVICE_URL", order))),
    ];
    let mut running = Vec::new();
    for service in &services {
        running.push(service.start().await);
    }
    let mut load = Load::start(gateway, &[(LoadKind::KeepAlive, 16)]);
    load.wait_for_paid(100).await;
    let exit = running.remove(restarted).terminate(DRAIN_MAX).await;
    assert_eq!(exit.code, Some(0), "{:#?}", exit.stderr);
    let _again = services[restarted].start().await;
    load.wait_for_paid(100).await;
    let records = load.stop().await;
    let client = Client::new(format!("http://{gateway}"));
    let mut checked = Vec::new();
    for record in records {
        checked.push(record.assert_matches_stored_orders(&client).await);
    }
    checked
}

#[tokio::test(flavor = "multi_thread")]
async fn order_restart_loses_no_order() {
    for record in restart(1).await {
        assert_eq!((record.not_charged.len(), record.unanswered), (0, 0), "{record:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn payment_restart_loses_no_order() {
    for record in restart(0).await {
        assert_eq!((record.not_started, record.unanswered), (0, 0), "{record:?}");
    }
}
