//! Reading orders.

use super::Application;
use crate::{
    domain::{Order, OrderId, UserId},
    ports::{Page, StoreError},
};

/// The page size of a request that has none.
pub const PAGE_SIZE_DEFAULT: u32 = 50;
/// The largest page size; a larger one in a request means this one (AIP-158).
pub const PAGE_SIZE_MAX: u32 = 1000;
/// Maximum number of items of all orders of a page, which bounds the size of a response. A page with more
/// ends early.
pub const ITEMS_PER_PAGE_MAX: u32 = 10_000;

/// Why nothing was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The order does not exist or belongs to another user. The response does not distinguish the two.
    #[error("order not found")]
    NotFound,
    /// The store did not respond.
    #[error("the store could not be read")]
    Unavailable,
}

impl From<StoreError> for ReadError {
    fn from(_: StoreError) -> Self {
        Self::Unavailable
    }
}

impl Application {
    /// The order with this id; if `owner` is given, only if it belongs to that user.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub async fn get_order(&self, id: OrderId, owner: Option<UserId>) -> Result<Order, ReadError> {
        let found = self.orders.find(id).await?;
        found.filter(|order| owner.is_none_or(|owner| owner == order.user)).ok_or(ReadError::NotFound)
    }

    /// A page of the orders of `user` with ids below `before`, newest first. A `page_size` of 0 means
    /// [`PAGE_SIZE_DEFAULT`], one above [`PAGE_SIZE_MAX`] means that.
    ///
    /// # Errors
    ///
    /// [`ReadError::Unavailable`].
    pub async fn list_orders(
        &self,
        user: UserId,
        before: Option<OrderId>,
        page_size: u32,
    ) -> Result<Page, ReadError> {
        let limit = if page_size == 0 { PAGE_SIZE_DEFAULT } else { page_size.min(PAGE_SIZE_MAX) };
        Ok(self.orders.list(user, before, limit, ITEMS_PER_PAGE_MAX).await?)
    }
}
