//! A service behind the gateway that is stopped under load and started again: a rolling restart of one.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
};

use service_kit::process::DRAIN_MAX;

use super::{CREDIT, Load, Manner, load::Told};
use crate::support::{Client, process::Process};

/// How a service is started, also again.
struct Service {
    name: &'static str,
    environment: Vec<(&'static str, String)>,
}

impl Service {
    /// A service at `address`, with a database in `data` if it has one, and with its callee.
    fn new(
        name: &'static str,
        address: SocketAddr,
        data: &Path,
        callee: Option<(&'static str, SocketAddr)>,
    ) -> Self {
        let mut environment = vec![
            ("APPLICATION_PORT", address.port().to_string()),
            ("ENV", "production".to_owned()),
            ("AUTH", "none".to_owned()),
            ("BIND_ADDRESS", address.ip().to_string()),
            ("ADMIN_ADDRESS", SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).to_string()),
            ("DB_DRIVER", "sqlite".to_owned()),
            ("DATA_SOURCE_URL", format!("sqlite://{}/{name}.db", data.display())),
            (CREDIT.0, CREDIT.1.to_owned()),
        ];
        environment.extend(callee.map(|(variable, address)| (variable, address.to_string())));
        Self { name, environment }
    }

    async fn start(&self) -> Process {
        let mut process = Process::start(&[self.name], &self.environment);
        process.address().await;
        process
    }
}

/// What the clients of a gateway were told while the service at `stopped` behind it was stopped and started
/// again, held against what is there.
async fn restart(stopped: usize) -> Vec<Told> {
    let data = tempfile::tempdir().unwrap();
    let [payment, order, gateway] = free_addresses();
    let services = [
        Service::new("payment", payment, data.path(), None),
        Service::new("order", order, data.path(), Some(("PAYMENT_SERVICE_URL", payment))),
        Service::new("gateway", gateway, data.path(), Some(("ORDER_SERVICE_URL", order))),
    ];
    let mut running = Vec::new();
    for service in &services {
        running.push(service.start().await);
    }
    let mut load = Load::start(gateway, &[(Manner::Keeping, 16)]);
    load.paid_more(100).await;
    let ended = running.remove(stopped).terminate(DRAIN_MAX).await;
    assert_eq!(ended.code, Some(0), "{:#?}", ended.log);
    let _again = services[stopped].start().await;
    load.paid_more(100).await;
    let told = load.end().await;
    let client = Client::new(format!("http://{gateway}"));
    let mut held = Vec::new();
    for told in told {
        held.push(told.held_against_what_is_there(&client).await);
    }
    held
}

fn free_addresses() -> [SocketAddr; 3] {
    let listeners = [(); 3].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    listeners.map(|listener| listener.local_addr().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn while_order_is_away_nothing_is_started() {
    for told in restart(1).await {
        assert_eq!((told.not_charged.len(), told.unanswered), (0, 0), "{told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_payment_is_away_nothing_is_charged() {
    for told in restart(0).await {
        assert_eq!((told.not_started, told.unanswered), (0, 0), "{told:?}");
    }
}
