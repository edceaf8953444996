//! The gRPC service: parses requests, calls the application, renders responses.
//!
//! Calls that write run in their own task, so that a client that disconnects, or its deadline, cannot cancel
//! them.

mod parse;
mod render;
mod status;

use std::future::Future;

use proto::payment::{
    CreatePaymentRequest, CreatePaymentResponse, GetPaymentRequest, GetPaymentResponse, VoidPaymentRequest,
    VoidPaymentResponse, payment_server,
};
use tokio_util::task::TaskTracker;
use tonic::{Request, Response, Status};

use crate::application::Application;

/// The domain in this service's `google.rpc.ErrorInfo`.
pub const DOMAIN: &str = "payment";

/// The implementation of the generated service trait.
#[derive(Clone)]
pub struct PaymentService {
    application: Application,
    tasks: TaskTracker,
}

impl PaymentService {
    /// The service over `application`. Calls that write run in `tasks`, which a graceful shutdown waits for.
    pub fn new(application: Application, tasks: TaskTracker) -> Self {
        Self { application, tasks }
    }

    /// Runs `call` in a task, which completes even if the client disconnects.
    async fn run_to_completion<T, E>(
        &self,
        call: impl Future<Output = Result<T, E>> + Send + 'static,
    ) -> Result<T, Status>
    where
        T: Send + 'static,
        E: Into<Status> + Send + 'static,
    {
        match self.tasks.spawn(service_kit::trace::with_current_context(call)).await {
            Ok(result) => result.map_err(Into::into),
            // A panic; the process's panic hook has logged it.
            Err(_) => Err(Status::internal("internal error")),
        }
    }
}

#[tonic::async_trait]
impl payment_server::Payment for PaymentService {
    async fn create(
        &self,
        request: Request<CreatePaymentRequest>,
    ) -> Result<Response<CreatePaymentResponse>, Status> {
        let charge = parse::charge(request.get_ref())?;
        let application = self.application.clone();
        let receipt = self.run_to_completion(async move { application.charge(charge).await }).await?;
        Ok(Response::new(render::receipt(receipt)))
    }

    async fn get(&self, request: Request<GetPaymentRequest>) -> Result<Response<GetPaymentResponse>, Status> {
        let order = parse::order(request.get_ref().order_id)?;
        let payment = self.application.payment(order).await?;
        Ok(Response::new(render::payment(&payment)))
    }

    async fn void(
        &self,
        request: Request<VoidPaymentRequest>,
    ) -> Result<Response<VoidPaymentResponse>, Status> {
        let order = parse::order(request.get_ref().order_id)?;
        let application = self.application.clone();
        let payment = self.run_to_completion(async move { application.void(order).await }).await?;
        Ok(Response::new(VoidPaymentResponse { payment: Some(render::payment(&payment)) }))
    }
}
