//! Schemas of request and response bodies. They exclude unknown members.

use money::Currency;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ArrayBuilder, KnownFormat, ObjectBuilder, OneOfBuilder, Ref, RefOr, Schema, SchemaFormat, Type,
        schema::AdditionalProperties,
    },
};

use crate::{limits, problem};

pub(super) const NEW_ORDER: &str = "NewOrder";
pub(super) const ORDER: &str = "Order";
pub(super) const ORDER_PAGE: &str = "OrderPage";
pub(super) const PROBLEM: &str = "Problem";
const NEW_ITEM: &str = "NewOrderItem";
const ITEM: &str = "OrderItem";

type NamedSchema = (String, RefOr<Schema>);

/// All schemas of the document's components.
pub(super) fn all() -> Vec<NamedSchema> {
    let named =
        |name: &str, schema: ObjectBuilder| (name.to_owned(), RefOr::T(Schema::Object(schema.build())));
    let mut all = vec![
        named(NEW_ORDER, new_order()),
        named(NEW_ITEM, new_item()),
        named(ORDER, order()),
        named(ITEM, item()),
        named(ORDER_PAGE, page()),
    ];
    all.extend(problem_schemas());
    all
}

/// A reference to one of [`all`].
pub(super) fn reference(name: &str) -> Ref {
    Ref::from_schema_name(name)
}

/// The id of a customer.
pub(super) fn user_id() -> ObjectBuilder {
    int64(*limits::USER_ID.start(), *limits::USER_ID.end()).description(Some(
        "The id of the customer, without fraction or exponent. An id of 2^53 or above \
         needs a client with 64-bit integers.",
    ))
}

/// The id of an order.
pub(super) fn order_id() -> ObjectBuilder {
    int64(*limits::ORDER_ID.start(), *limits::ORDER_ID.end())
        .description(Some("The id of the order, below 2^53. Later orders have higher ids."))
}

fn closed() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .additional_properties(Some(AdditionalProperties::FreeForm(false)))
}

fn text(description: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).description(Some(description))
}

fn int64(minimum: i64, maximum: i64) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .minimum(Some(minimum))
        .maximum(Some(maximum))
}

fn quantity() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int32)))
        .minimum(Some(*limits::QUANTITY.start()))
        .description(Some("The number of pieces, without fraction or exponent."))
}

fn amount(description: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Number).minimum(Some(0)).description(Some(description))
}

fn currency(description: &str) -> ObjectBuilder {
    text(description).pattern(Some("^[A-Z]{3}$"))
}

/// The codes of all accepted currencies, sorted.
fn currencies() -> Vec<&'static str> {
    let mut codes: Vec<_> = Currency::all().map(Currency::code).collect();
    codes.sort_unstable();
    codes
}

fn new_order() -> ObjectBuilder {
    let items = ArrayBuilder::new()
        .items(reference(NEW_ITEM))
        .min_items(Some(*limits::ITEMS.start()))
        .max_items(Some(*limits::ITEMS.end()))
        .description(Some(
            "The ordered items. Their total is above 0 and below 2^53 minor units of the currency.",
        ));
    closed()
        .description(Some("A new order."))
        .property("user_id", user_id())
        .property("order_items", items)
        .property(
            "currency",
            text(
                "The currency of all prices: one in use of ISO 4217, no fund and no unit of account. USD if \
                 it is absent. Payment declines a currency that the operator does not accept.",
            )
            .enum_values(Some(currencies())),
        )
        .required("user_id")
        .required("order_items")
}

fn new_item() -> ObjectBuilder {
    let code = text("The code of the product, without control characters.")
        .min_length(Some(*limits::PRODUCT_CODE_CHARS.start()))
        .max_length(Some(*limits::PRODUCT_CODE_CHARS.end()))
        .pattern(Some(r"^[^\u0000-\u001f\u007f-\u009f]+$"));
    let price = OneOfBuilder::new()
        .item(amount("As a JSON number."))
        .item(
            text("As a string in the syntax of a JSON number.")
                .pattern(Some(r"^(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$")),
        )
        .description(Some(
            "The price of one piece in major units, 0 or more: an exact decimal with no more decimals than \
             the currency. If the shop has a price list, the price must equal that of the list and may be \
             absent. Otherwise it is required.",
        ));
    closed()
        .description(Some("An item of a new order."))
        .property("product_code", code)
        .property("unit_price", price)
        .property("quantity", quantity().maximum(Some(*limits::QUANTITY.end())))
        .required("product_code")
        .required("quantity")
}

fn order() -> ObjectBuilder {
    let status = text(
        "PENDING: the outcome of the charge is not known yet. PAID: charged. DECLINED: the charge was \
         declined. NOT_CHARGED: nothing was charged; a request with the same idempotency key may charge it. \
         VOIDED: given up, nothing was charged. Absent if the Order service has the old contract, or if a newer \
         version has given the order a status that this one does not know.",
    )
    .enum_values(Some(["PENDING", "PAID", "DECLINED", "NOT_CHARGED", "VOIDED"]));
    let created = text("RFC 3339, UTC, with milliseconds. Absent if the Order service has the old contract.")
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        .pattern(Some(r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$"));
    let order = closed()
        .description(Some("An order."))
        .property("order_id", order_id())
        .property("user_id", user_id())
        .property("status", status)
        .property("currency", currency(
                "ISO 4217, also a code that was withdrawn since. Absent if this version does not know it.",
            ))
        .property(
            "total_price",
            amount(
                "The sum over the items, in major units. Absent if this version does not know the currency, \
                 which only a newer one has accepted; then order_items is empty.",
            ),
        )
        .property("order_items", ArrayBuilder::new().items(reference(ITEM)))
        .property("created_at", created)
        .property("decline_reason", text(
            "Why the charge was declined: INSUFFICIENT_BALANCE or CURRENCY_NOT_ACCEPTED. There may be more \
             reasons in the future. Present if status is DECLINED.",
        ));
    ["order_id", "user_id", "order_items"].into_iter().fold(order, ObjectBuilder::required)
}

fn item() -> ObjectBuilder {
    closed()
        .description(Some("An item of an order."))
        .property("product_code", text("The code of the product."))
        .property("unit_price", amount("The price of one piece, in major units."))
        .property("quantity", quantity())
        .required("product_code")
        .required("unit_price")
        .required("quantity")
}

fn page() -> ObjectBuilder {
    let orders =
        ArrayBuilder::new().items(reference(ORDER)).max_items(usize::try_from(limits::PAGE_SIZE_MAX).ok());
    closed()
        .description(Some("A page of a customer's orders, newest first."))
        .property("orders", orders)
        .property("next_page_token", text("The page_token of the next page; empty on the last page."))
        .required("orders")
        .required("next_page_token")
}

/// The schemas of the problem structs.
fn problem_schemas() -> Vec<NamedSchema> {
    let mut all = vec![(PROBLEM.to_owned(), problem::Body::schema())];
    problem::Body::schemas(&mut all);
    for (_, schema) in &mut all {
        if let RefOr::T(Schema::Object(object)) = schema {
            object.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
        }
    }
    all
}
