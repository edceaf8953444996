//! Reading orders back.

use super::Application;
use crate::{
    domain::{Order, OrderId, UserId},
    ports::{Page, StoreError},
};

/// Orders of a page whose size the caller left open.
pub const PAGE_SIZE_DEFAULT: u32 = 50;
/// Orders of a page at most; a larger size means this one (AIP-158).
pub const PAGE_SIZE_MAX: u32 = 1000;
/// Items of all orders of a page: bounds the bytes of an answer. A page that would hold more ends early.
pub const ITEMS_PER_PAGE_MAX: u32 = 10_000;

/// Why nothing could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// There is no such order, or it is another user's: a caller cannot tell which.
    #[error("order not found")]
    NotFound,
    /// The store did not answer.
    #[error("the store could not be read")]
    Unavailable,
}

impl From<StoreError> for ReadError {
    fn from(_: StoreError) -> Self {
        Self::Unavailable
    }
}

impl Application {
    /// The order with this id; where `owner` is given, only if it is theirs.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub async fn order(&self, id: OrderId, owner: Option<UserId>) -> Result<Order, ReadError> {
        let found = self.orders.find(id).await?;
        found.filter(|order| owner.is_none_or(|owner| owner == order.user)).ok_or(ReadError::NotFound)
    }

    /// A page of the orders of `user` older than `before`, newest first. A `page_size` of 0 means
    /// [`PAGE_SIZE_DEFAULT`], one above [`PAGE_SIZE_MAX`] means that.
    ///
    /// # Errors
    ///
    /// [`ReadError::Unavailable`].
    pub async fn orders_of(
        &self,
        user: UserId,
        before: Option<OrderId>,
        page_size: u32,
    ) -> Result<Page, ReadError> {
        let limit = if page_size == 0 { PAGE_SIZE_DEFAULT } else { page_size.min(PAGE_SIZE_MAX) };
        Ok(self.orders.list(user, before, limit, ITEMS_PER_PAGE_MAX).await?)
    }
}
