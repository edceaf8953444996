//! Schemas of request and response bodies. Those of requests exclude unknown members; those of responses
//! admit them, since a later version may add members (RFC 9457, section 3.2).
//!
//! A name is no other name with a word before or after it that generators add, such as `New` or `Request`:
//! generated code would have two declarations of one name.

use money::Currency;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ArrayBuilder, KnownFormat, ObjectBuilder, OneOfBuilder, Ref, RefOr, Schema, SchemaFormat, Type,
        schema::AdditionalProperties,
    },
};

use crate::{limits, problem};

pub(super) const ORDER_DRAFT: &str = "OrderDraft";
pub(super) const ORDER: &str = "Order";
pub(super) const ORDER_PAGE: &str = "OrderPage";
pub(super) const PROBLEM: &str = "Problem";
const DRAFT_ITEM: &str = "OrderDraftItem";
const ITEM: &str = "OrderItem";

type NamedSchema = (String, RefOr<Schema>);

/// All schemas of the document's components.
pub(super) fn all() -> Vec<NamedSchema> {
    let named =
        |name: &str, schema: ObjectBuilder| (name.to_owned(), RefOr::T(Schema::Object(schema.build())));
    let mut all = vec![
        named(ORDER_DRAFT, order_draft()),
        named(DRAFT_ITEM, draft_item()),
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

/// The id of a customer in a request.
pub(super) fn user_id() -> ObjectBuilder {
    int64(*limits::USER_ID.start())
        .maximum(Some(*limits::USER_ID.end()))
        .description(Some("The id of the customer, below 2^53, without fraction or exponent."))
}

/// The id of an order.
pub(super) fn order_id() -> ObjectBuilder {
    int64(*limits::ORDER_ID.start())
        .maximum(Some(*limits::ORDER_ID.end()))
        .description(Some("The id of the order, below 2^53. Later orders have higher ids."))
}

fn closed() -> ObjectBuilder {
    object(false)
}

/// Some generators reject unknown members unless the schema admits them explicitly.
fn open() -> ObjectBuilder {
    object(true)
}

fn object(admits_others: bool) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .additional_properties(Some(AdditionalProperties::FreeForm(admits_others)))
}

fn text(description: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).description(Some(description))
}

fn int64(minimum: i64) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .minimum(Some(minimum))
}

fn quantity() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int32)))
        .minimum(Some(*limits::QUANTITY.start()))
        .description(Some("The number of pieces, without fraction or exponent."))
}

/// An amount as a number. Without the format, generators for Go choose 32 bits, which hold no cents from
/// 131,072 on.
fn amount(description: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Number)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Double)))
        .minimum(Some(0))
        .description(Some(description))
}

/// An amount as a text, in a response.
fn amount_text(description: &str) -> ObjectBuilder {
    text(description).pattern(Some(r"^(0|[1-9][0-9]*)(\.[0-9]+)?$"))
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

fn order_draft() -> ObjectBuilder {
    let items = ArrayBuilder::new()
        .items(reference(DRAFT_ITEM))
        .min_items(Some(*limits::ITEMS.start()))
        .max_items(Some(*limits::ITEMS.end()))
        .description(Some(
            "The ordered items. Their total is above 0 and below 2^53 minor units of the currency.",
        ));
    closed()
        .description(Some("An order to place."))
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

fn draft_item() -> ObjectBuilder {
    let code = text("The code of the product, without control characters.")
        .min_length(Some(*limits::PRODUCT_CODE_CHARS.start()))
        .max_length(Some(*limits::PRODUCT_CODE_CHARS.end()))
        .pattern(Some(r"^[^\u0000-\u001f\u007f-\u009f]+$"));
    let price = OneOfBuilder::new()
        .item(amount("As a JSON number, of which the gateway reads the digits."))
        .item(
            text("As a string in the syntax of a JSON number, for clients that would round a number.")
                .pattern(Some(r"^(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$")),
        )
        .description(Some(
            "The price of one piece in major units, 0 or more: an exact decimal with no more decimals than \
             the currency. If the shop has a price list, the price must equal that of the list and may be \
             absent. Otherwise it is required.",
        ));
    closed()
        .description(Some("An item of an order to place."))
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
         VOIDED: given up, nothing was charged. Absent if the Order service has the old contract, or if a \
         newer version has given the order a status that this one does not know.",
    )
    .enum_values(Some(["PENDING", "PAID", "DECLINED", "NOT_CHARGED", "VOIDED"]));
    let created = text("RFC 3339, UTC, with milliseconds. Absent if the Order service has the old contract.")
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        .pattern(Some(r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$"));
    let customer = int64(1)
        .description(Some("The id of the customer, below 2^53 for every order that was placed over HTTP."));
    let items = ArrayBuilder::new()
        .items(reference(ITEM))
        .description(Some("The ordered items, in the order of the request."));
    let order = open()
        .description(Some("An order."))
        .property("order_id", order_id())
        .property("user_id", customer)
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
        .property(
            "total_price_text",
            amount_text(
                "total_price as an exact decimal with all decimals of the currency. Present whenever \
                 total_price is.",
            ),
        )
        .property("order_items", items)
        .property("created_at", created)
        .property("decline_reason", text(
            "Why the charge was declined: INSUFFICIENT_BALANCE or CURRENCY_NOT_ACCEPTED. There may be more \
             reasons in the future. Present if status is DECLINED.",
        ));
    ["order_id", "user_id", "order_items"].into_iter().fold(order, ObjectBuilder::required)
}

fn item() -> ObjectBuilder {
    open()
        .description(Some("An item of an order."))
        .property("product_code", text("The code of the product."))
        .property("unit_price", amount("The price of one piece, in major units."))
        .property(
            "unit_price_text",
            amount_text("unit_price as an exact decimal with all decimals of the currency."),
        )
        .property("quantity", quantity())
        .required("product_code")
        .required("unit_price")
        .required("unit_price_text")
        .required("quantity")
}

fn page() -> ObjectBuilder {
    let orders = ArrayBuilder::new()
        .items(reference(ORDER))
        .max_items(usize::try_from(limits::PAGE_SIZE_MAX).ok())
        .description(Some("The orders of this page."));
    open()
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
            object.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(true)));
        }
    }
    all
}
