//! The Payment service of the contract: reads requests, runs the application, writes answers.
//!
//! What writes runs in a task of its own: a caller that leaves, or its deadline, cannot cut it in half.

mod read;
mod status;
mod write;

use std::future::Future;

use proto::payment::{
    CreatePaymentRequest, CreatePaymentResponse, GetPaymentRequest, GetPaymentResponse, VoidPaymentRequest,
    VoidPaymentResponse, payment_server,
};
use tokio_util::task::TaskTracker;
use tonic::{Request, Response, Status};

use crate::application::Application;

/// The domain of this service's `google.rpc.ErrorInfo`.
pub const DOMAIN: &str = "payment";

/// The service, over an application.
#[derive(Clone)]
pub struct PaymentService {
    application: Application,
    tasks: TaskTracker,
}

impl PaymentService {
    /// The service; what must not be cut in half runs in `tasks`, which a stopping process waits for.
    pub fn new(application: Application, tasks: TaskTracker) -> Self {
        Self { application, tasks }
    }

    /// Runs `work` to its end, whoever waits for it.
    async fn run_to_completion<T, E>(
        &self,
        work: impl Future<Output = Result<T, E>> + Send + 'static,
    ) -> Result<T, Status>
    where
        T: Send + 'static,
        E: Into<Status> + Send + 'static,
    {
        match self.tasks.spawn(service_kit::trace::with_current_context(work)).await {
            Ok(ended) => ended.map_err(Into::into),
            // A panic, which the process's hook has logged.
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
        let charge = read::charge(request.get_ref())?;
        let application = self.application.clone();
        let receipt = self.run_to_completion(async move { application.charge(charge).await }).await?;
        Ok(Response::new(write::receipt(receipt)))
    }

    async fn get(&self, request: Request<GetPaymentRequest>) -> Result<Response<GetPaymentResponse>, Status> {
        let order = read::order(request.get_ref().order_id)?;
        let payment = self.application.payment(order).await?;
        Ok(Response::new(write::payment(&payment)))
    }

    async fn void(
        &self,
        request: Request<VoidPaymentRequest>,
    ) -> Result<Response<VoidPaymentResponse>, Status> {
        let order = read::order(request.get_ref().order_id)?;
        let application = self.application.clone();
        let payment = self.run_to_completion(async move { application.void(order).await }).await?;
        Ok(Response::new(VoidPaymentResponse { payment: Some(write::payment(&payment)) }))
    }
}
