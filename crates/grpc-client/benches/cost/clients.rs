//! Who calls: the same generated client, over one transport or the other.

use std::{net::SocketAddr, time::Duration};

use grpc_client::{Channel, Deadline};
use proto::payment::{CreatePaymentRequest, payment_client::PaymentClient};
use rustix::time::{ClockId, clock_gettime};
use tokio::{task::JoinSet, time::Instant};
use tonic::{Request, transport};

use crate::Failure;

const CALL_MAX: Duration = Duration::from_secs(10);

/// What a call goes over.
pub(crate) enum Transport {
    /// tonic's channel, or its balancer where there are several endpoints.
    Tonic(transport::Channel),
    /// This crate's.
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

    /// Has so many `callers` make so many calls `each`, one after the other.
    pub(crate) async fn run(&self, callers: u32, each: u32) -> Result<(), Failure> {
        let mut running = JoinSet::new();
        for _ in 0..callers {
            match self {
                Self::Tonic(channel) => running.spawn(bare(PaymentClient::new(channel.clone()), each)),
                Self::Ours(channel) => running.spawn(resilient(PaymentClient::new(channel.clone()), each)),
            };
        }
        while let Some(ended) = running.join_next().await {
            ended??;
        }
        Ok(())
    }
}

fn charge() -> Request<CreatePaymentRequest> {
    Request::new(CreatePaymentRequest { user_id: 123, order_id: 12, total_price: 32.0, total: None })
}

async fn bare(mut client: PaymentClient<transport::Channel>, calls: u32) -> Result<(), tonic::Status> {
    for _ in 0..calls {
        let mut request = charge();
        request.set_timeout(CALL_MAX);
        client.create(request).await?;
    }
    Ok(())
}

async fn resilient(mut client: PaymentClient<Channel>, calls: u32) -> Result<(), tonic::Status> {
    for _ in 0..calls {
        let mut request = charge();
        request.extensions_mut().insert(Deadline(Instant::now() + CALL_MAX));
        client.create(request).await?;
    }
    Ok(())
}

/// What this process has used, on all its threads.
pub(crate) fn cpu_seconds() -> f64 {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(used).unwrap_or_default().as_secs_f64()
}
