//! Paths of public routes that several modules name.

/// The Swagger UI page.
pub(crate) const DOCS: &str = "/docs";
/// The OpenAPI document.
pub(crate) const OPENAPI_DOCUMENT: &str = "/openapi.json";
/// Places an order (POST) and lists a customer's orders (GET).
pub(crate) const ORDERS: &str = "/orders";
/// Reads one order.
pub(crate) const ORDER: &str = "/orders/{order_id}";
