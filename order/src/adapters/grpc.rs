//! The Order service on the wire: proto to domain, and back.

mod errors;
mod parse;
mod render;

use std::time::Duration;

use proto::order::{
    CreateOrderRequest, CreateOrderResponse, GetOrderRequest, GetOrderResponse, ListOrdersRequest,
    ListOrdersResponse, order_server::Order,
};
use service_kit::grpc::Deadline;
use tokio::time::Instant;
use tonic::{Request, Response, Status};

use crate::application::Application;

/// The domain of this service's reasons.
pub const DOMAIN: &str = "order";
/// The time that a caller gives who names none.
pub const BUDGET_DEFAULT: Duration = Duration::from_secs(10);
/// The time that is used of what a caller gives.
pub const BUDGET_MAX: Duration = Duration::from_secs(30);

/// The driving side of the hexagon.
#[derive(Clone)]
pub struct OrderService {
    application: Application,
}

impl OrderService {
    /// Serves `application`.
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
        let budget = budget(&request);
        let list_is_kept = self.application.price_list.is_some();
        let (basket, key) = parse::create(request.into_inner(), list_is_kept).map_err(errors::invalid)?;
        let leaves_a_price = basket.leaves_a_price();
        let placed = self.application.place_order(basket, key, budget).await.map_err(errors::not_placed)?;
        Ok(Response::new(render::placed(&placed, leaves_a_price)))
    }

    async fn get(&self, request: Request<GetOrderRequest>) -> Result<Response<GetOrderResponse>, Status> {
        let (id, owner) = parse::get(request.get_ref()).map_err(errors::invalid)?;
        let order =
            self.application.order(id, owner).await.map_err(|error| errors::not_read(error, Some(id)))?;
        Ok(Response::new(render::order(&order)))
    }

    async fn list(
        &self,
        request: Request<ListOrdersRequest>,
    ) -> Result<Response<ListOrdersResponse>, Status> {
        let listing = parse::list(request.get_ref()).map_err(errors::invalid)?;
        let page = self.application.orders_of(listing.user, listing.before, listing.page_size).await;
        Ok(Response::new(render::page(&page.map_err(|error| errors::not_read(error, None))?)))
    }
}

/// The time that the caller still gives.
fn budget<T>(request: &Request<T>) -> Duration {
    let left =
        request.extensions().get::<Deadline>().map(|deadline| deadline.0.duration_since(Instant::now()));
    left.map_or(BUDGET_DEFAULT, |left| left.min(BUDGET_MAX))
}
