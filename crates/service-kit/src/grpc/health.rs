//! `grpc.health.v1.Health`: the readiness of the server, which is that of each of its services.

use std::{
    collections::{BTreeMap, HashMap},
    pin::Pin,
};

use futures_util::stream::{self, Stream};
use tokio::sync::watch;
use tonic::{Request, Response, Status};

use crate::admin::{ACCEPTING, Readiness};
use pb::{
    HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse,
    health_check_response::ServingStatus, health_server,
};

/// Generated from `protos/grpc/health/v1/health.proto`.
#[rustfmt::skip]
#[path = "health/generated/grpc.health.v1.rs"]
#[allow(missing_docs, clippy::all, clippy::too_many_lines, unreachable_pub)]
mod pb;

/// The serialized `FileDescriptorSet` of the service, for reflection.
pub(super) const DESCRIPTOR_SET: &[u8] = include_bytes!("health/generated/health.binpb");

/// The server of the health of `services`, and of the whole server under the empty name.
pub(super) fn server(
    services: &'static [&'static str],
    readiness: Readiness,
) -> health_server::HealthServer<Health> {
    health_server::HealthServer::new(Health { services, readiness })
}

/// SERVING while every condition of readiness holds.
#[derive(Debug)]
pub(super) struct Health {
    services: &'static [&'static str],
    readiness: Readiness,
}

impl Health {
    fn knows(&self, service: &str) -> bool {
        service.is_empty() || self.services.contains(&service)
    }
}

fn status_of(conditions: &BTreeMap<&'static str, bool>) -> ServingStatus {
    if conditions.values().all(|holds| *holds) { ServingStatus::Serving } else { ServingStatus::NotServing }
}

fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}

#[tonic::async_trait]
impl health_server::Health for Health {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        if !self.knows(&request.get_ref().service) {
            return Err(Status::not_found("unknown service"));
        }
        Ok(Response::new(response(status_of(&self.readiness.subscribe().borrow()))))
    }

    async fn list(&self, _: Request<HealthListRequest>) -> Result<Response<HealthListResponse>, Status> {
        let status = status_of(&self.readiness.subscribe().borrow());
        let names = self.services.iter().chain(&[""]);
        let statuses: HashMap<_, _> = names.map(|name| ((*name).to_owned(), response(status))).collect();
        Ok(Response::new(HealthListResponse { statuses }))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    /// The services of a server never change: an unknown one stays SERVICE_UNKNOWN.
    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let is_known = self.knows(&request.get_ref().service);
        let watched = Watched { conditions: self.readiness.subscribe(), is_known, last: None };
        Ok(Response::new(Box::pin(stream::unfold(Some(watched), |watched| async move {
            let (status, watched) = watched?.next().await?;
            Some((Ok(response(status)), watched))
        }))))
    }
}

/// A watch of one service.
struct Watched {
    conditions: watch::Receiver<BTreeMap<&'static str, bool>>,
    is_known: bool,
    /// The last status that was sent.
    last: Option<ServingStatus>,
}

impl Watched {
    /// The next status that differs from the last. `None`, now or beside the status, ends the watch: at a
    /// shutdown, since the client never ends it.
    async fn next(mut self) -> Option<(ServingStatus, Option<Self>)> {
        loop {
            let (status, is_draining) = {
                let conditions = self.conditions.borrow_and_update();
                let status =
                    if self.is_known { status_of(&conditions) } else { ServingStatus::ServiceUnknown };
                (status, conditions.get(ACCEPTING) == Some(&false))
            };
            if self.last.replace(status) != Some(status) {
                return Some((status, (!is_draining).then_some(self)));
            }
            if is_draining {
                return None;
            }
            self.conditions.changed().await.ok()?;
        }
    }
}
