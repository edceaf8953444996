//! The clients: the same generated client, over either transport.

use std::{net::SocketAddr, time::Duration};

use grpc_client::{Channel, Deadline};
use proto::payment::{CreatePaymentRequest, payment_client::PaymentClient};
use rustix::time::{ClockId, clock_gettime};
use tokio::{task::JoinSet, time::Instant};
use tonic::{Request, transport};

use crate::Failure;

const TIMEOUT: Duration = Duration::from_secs(10);

/// The transport of the calls.
pub(crate) enum Transport {
    /// tonic's channel; its balancer for several endpoints.
    Tonic(transport::Channel),
    /// This crate's channel.
    Ours(Channel),
}

impl Transport {
    pub(crate) fn tonic(addresses: &[SocketAddr]) -> Result<Self, Failure> {
        let endpoint = |address| transport::Endpoint::from_shared(format!("http://{address}"));
        let endpoints: Vec<_> = addresses.iter().map(endpoint).collect::<Result<_, _>>()?;
        Ok(Self::Tonic(match &endpoints[..] {
            [one] => one.connect_lazy(),
            _ => transport::Channel::balance_list(endpoints.into_iter()),
        }))
    }

    pub(crate) fn ours(addresses: &[SocketAddr], config: &str) -> Result<Self, Failure> {
        let listed: Vec<_> = addresses.iter().map(SocketAddr::to_string).collect();
        Ok(Self::Ours(Channel::builder(listed.join(",").parse()?).service_config(config.parse()?).build()?))
    }

    /// Runs `clients` concurrent clients, each with `calls` sequential calls.
    pub(crate) async fn run(&self, clients: u32, calls: u32) -> Result<(), Failure> {
        let mut running = JoinSet::new();
        for _ in 0..clients {
            match self {
                Self::Tonic(channel) => {
                    running.spawn(call_over_tonic(PaymentClient::new(channel.clone()), calls))
                }
                Self::Ours(channel) => {
                    running.spawn(call_over_ours(PaymentClient::new(channel.clone()), calls))
                }
            };
        }
        while let Some(result) = running.join_next().await {
            result??;
        }
        Ok(())
    }
}

fn charge() -> Request<CreatePaymentRequest> {
    Request::new(CreatePaymentRequest { user_id: 123, order_id: 12, total_price: 32.0, total: None })
}

async fn call_over_tonic(
    mut client: PaymentClient<transport::Channel>,
    calls: u32,
) -> Result<(), tonic::Status> {
    for _ in 0..calls {
        let mut request = charge();
        request.set_timeout(TIMEOUT);
        client.create(request).await?;
    }
    Ok(())
}

async fn call_over_ours(mut client: PaymentClient<Channel>, calls: u32) -> Result<(), tonic::Status> {
    for _ in 0..calls {
        let mut request = charge();
        request.extensions_mut().insert(Deadline(Instant::now() + TIMEOUT));
        client.create(request).await?;
    }
    Ok(())
}

/// Processor time of this process, all threads.
pub(crate) fn cpu_seconds() -> f64 {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(used).unwrap_or_default().as_secs_f64()
}
