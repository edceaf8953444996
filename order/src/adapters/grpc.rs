//! The gRPC service `Order`.

mod errors;
mod page_token;
mod parse;
mod render;
mod violations;

use std::time::Duration;

use proto::order::{
    CreateOrderRequest, CreateOrderResponse, GetOrderRequest, GetOrderResponse, ListOrdersRequest,
    ListOrdersResponse, order_server::Order,
};
use service_kit::grpc::Deadline;
use tokio::time::Instant;
use tonic::{Request, Response, Status};

use crate::application::Application;

/// The `ErrorInfo` domain of this service.
pub const DOMAIN: &str = "order";
/// The time for a request without a deadline.
pub const TIME_LEFT_DEFAULT: Duration = Duration::from_secs(10);
/// The most time that a request gets, whatever its deadline.
pub const TIME_LEFT_MAX: Duration = Duration::from_secs(30);

/// The gRPC service over an application.
#[derive(Clone)]
pub struct OrderService {
    application: Application,
}

impl OrderService {
    /// A service over `application`.
    pub fn new(application: Application) -> Self {
        Self { application }
    }
}

#[tonic::async_trait]
impl Order for OrderService {
    async fn create(
        &self,
        request: Request<CreateOrderRequest>,
    ) -> Result<Response<CreateOrderResponse>, Status> {
        let time_left = time_left(&request);
        let has_price_list = self.application.price_list.is_some();
        let (command, key) =
            parse::create(request.into_inner(), has_price_list).map_err(violations::invalid_request)?;
        let with_items = command.has_unpriced_items();
        let placed =
            self.application.place_order(command, key, time_left).await.map_err(errors::place_status)?;
        Ok(Response::new(render::placed(&placed, with_items)))
    }

    async fn get(&self, request: Request<GetOrderRequest>) -> Result<Response<GetOrderResponse>, Status> {
        let (id, owner) = parse::get(request.get_ref()).map_err(violations::invalid_request)?;
        let order = self.application.get_order(id, owner).await;
        let order = order.map_err(|error| errors::read_status(error, Some(id)))?;
        Ok(Response::new(render::order(&order)))
    }

    async fn list(
        &self,
        request: Request<ListOrdersRequest>,
    ) -> Result<Response<ListOrdersResponse>, Status> {
        let page = parse::list(request.get_ref()).map_err(violations::invalid_request)?;
        let page = self.application.list_orders(page.user, page.before, page.page_size).await;
        Ok(Response::new(render::page(&page.map_err(|error| errors::read_status(error, None))?)))
    }
}

/// The time until the deadline of the request.
fn time_left<T>(request: &Request<T>) -> Duration {
    let left =
        request.extensions().get::<Deadline>().map(|deadline| deadline.0.duration_since(Instant::now()));
    left.map_or(TIME_LEFT_DEFAULT, |left| left.min(TIME_LEFT_MAX))
}
