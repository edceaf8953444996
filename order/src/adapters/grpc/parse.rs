//! Requests: from protobuf messages to commands of the application. Every fault of a request is reported at
//! once.

use money::{Currency, Money, Rounding};
use proto::{
    google_type,
    order::{CreateOrderRequest, GetOrderRequest, ListOrdersRequest, OrderItem},
};
use tonic_types::FieldViolation;

use super::{
    page_token::PageToken,
    violations::{Violations, pricing_violation},
};
use crate::domain::{
    CreateOrder, DraftError, ITEMS_MAX, IdempotencyKey, KEY_BYTES_MAX, OrderId, PRODUCT_CODE_CHARS_MAX,
    PricingError, ProductCode, QUANTITY_MAX, Quantity, RequestedItem, UserId,
};

const ABOVE_ZERO: &str = "must be above 0";

/// The command and the key of a request. An item without a price is a fault if the service keeps no price
/// list; it is reported here only with other faults. Alone it is left to the application, which may find that
/// an earlier request placed the order.
pub(super) fn create(
    request: CreateOrderRequest,
    has_price_list: bool,
) -> Result<(CreateOrder, Option<IdempotencyKey>), Violations> {
    let mut faults = Violations::new();
    let user = user(request.user_id, &mut faults);
    let key = key(request.idempotency_key, &mut faults);
    let currency = currency(&request.currency_code, &request.order_items, &mut faults);
    let count = request.order_items.len();
    if !(1..=ITEMS_MAX).contains(&count) {
        faults.push(FieldViolation::new("order_items", DraftError::ItemCount.to_string()));
    }
    let mut unpriced = Vec::new();
    let mut items = Vec::new();
    for (index, item) in request.order_items.into_iter().take(ITEMS_MAX).enumerate() {
        if item.price_from_list && !has_price_list {
            unpriced.push(pricing_violation(&PricingError::NoPriceList { item: index }));
        }
        items.extend(requested_item(index, item, currency, &mut faults));
    }
    match (user, key, currency) {
        (Some(user), Ok(key), Some(currency)) if faults.is_empty() => {
            match CreateOrder::new(user, currency, items) {
                Ok(command) => Ok((command, key)),
                Err(error) => Err(vec![FieldViolation::new("order_items", error.to_string())]),
            }
        }
        _ => {
            faults.append(&mut unpriced);
            Err(faults)
        }
    }
}

/// The order id of a request, and the user that the order must belong to.
pub(super) fn get(request: &GetOrderRequest) -> Result<(OrderId, Option<UserId>), Violations> {
    let mut faults = Violations::new();
    let id = OrderId::new(request.order_id);
    if id.is_none() {
        faults.push(FieldViolation::new("order_id", ABOVE_ZERO));
    }
    // An unset field is 0 on the wire.
    let owner = (request.user_id != 0).then(|| user(request.user_id, &mut faults)).flatten();
    id.filter(|_| faults.is_empty()).map(|id| (id, owner)).ok_or(faults)
}

/// A request for a page of orders.
pub(super) struct PageRequest {
    pub(super) user: UserId,
    pub(super) before: Option<OrderId>,
    pub(super) page_size: u32,
}

/// The page of a request.
pub(super) fn list(request: &ListOrdersRequest) -> Result<PageRequest, Violations> {
    let mut faults = Violations::new();
    let user = user(request.user_id, &mut faults);
    let page_size = u32::try_from(request.page_size);
    if page_size.is_err() {
        faults.push(FieldViolation::new("page_size", "must be 0 or more"));
    }
    let token = (!request.page_token.is_empty()).then(|| request.page_token.parse::<PageToken>());
    let before = match token {
        None => None,
        Some(Ok(token)) if user.is_none_or(|user| user == token.user) => Some(token.before),
        Some(_) => {
            faults.push(FieldViolation::new(
                "page_token",
                "must be the next_page_token of an earlier page of this user",
            ));
            None
        }
    };
    match (user, page_size) {
        (Some(user), Ok(page_size)) if faults.is_empty() => Ok(PageRequest { user, before, page_size }),
        _ => Err(faults),
    }
}

fn user(id: i64, faults: &mut Violations) -> Option<UserId> {
    let user = UserId::new(id);
    if user.is_none() {
        faults.push(FieldViolation::new("user_id", ABOVE_ZERO));
    }
    user
}

fn key(text: String, faults: &mut Violations) -> Result<Option<IdempotencyKey>, ()> {
    if text.is_empty() {
        return Ok(None);
    }
    IdempotencyKey::new(text).map(Some).ok_or_else(|| {
        let accepted = format!("must be 1 to {KEY_BYTES_MAX} visible ASCII characters");
        faults.push(FieldViolation::new("idempotency_key", accepted));
    })
}

/// The currency of the order: that of the request, else that of the first exact price, else USD.
fn currency(code: &str, items: &[OrderItem], faults: &mut Violations) -> Option<Currency> {
    let priced = items.iter().filter(|item| !item.price_from_list).filter_map(|item| item.price.as_ref());
    let code = if code.is_empty() {
        priced.map(|price| price.currency_code.as_str()).find(|code| !code.is_empty()).unwrap_or("USD")
    } else {
        code
    };
    Currency::from_code(code)
        .map_err(|error| faults.push(FieldViolation::new("currency_code", error.to_string())))
        .ok()
}

fn requested_item(
    index: usize,
    item: OrderItem,
    currency: Option<Currency>,
    faults: &mut Violations,
) -> Option<RequestedItem> {
    let mut fault = |member: &str, description: String| {
        faults.push(FieldViolation::new(format!("order_items[{index}].{member}"), description));
    };
    let product_code = ProductCode::new(item.product_code);
    if product_code.is_none() {
        fault(
            "product_code",
            format!("must be 1 to {PRODUCT_CODE_CHARS_MAX} characters, none of them a control character"),
        );
    }
    let price = match (currency, &item.price) {
        _ if item.price_from_list => check_unpriced(item.unit_price, item.price.as_ref()).map_err(|member| {
            fault(member, "must not be set where price_from_list is".to_owned());
        }),
        (None, _) => Err(()),
        (Some(currency), Some(price)) => {
            exact_price(currency, price).map(Some).map_err(|why| fault("price", why))
        }
        (Some(currency), None) => Money::from_float(currency, item.unit_price, Rounding::Exact)
            .map(Some)
            .map_err(|why| fault("unit_price", why.to_string())),
    };
    let quantity = Quantity::new(item.quantity);
    if quantity.is_none() {
        fault("quantity", format!("must be 1 to {QUANTITY_MAX}"));
    }
    Some(RequestedItem { product_code: product_code?, unit_price: price.ok()?, quantity: quantity? })
}

/// Checks that an item whose price is left to the list has no price. Returns the member that has one.
fn check_unpriced(
    unit_price: f32,
    price: Option<&google_type::Money>,
) -> Result<Option<Money>, &'static str> {
    match price {
        Some(_) => Err("price"),
        // Clients send NaN so that a server without price lists rejects the item.
        None if unit_price == 0.0 || unit_price.is_nan() => Ok(None),
        None => Err("unit_price"),
    }
}

fn exact_price(currency: Currency, price: &google_type::Money) -> Result<Money, String> {
    if !price.currency_code.is_empty() && price.currency_code != currency.code() {
        return Err(format!("must be in the currency of the order, {currency}"));
    }
    Money::from_units_nanos(currency, price.units, price.nanos).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Draft;

    fn item(unit_price: f32, price: Option<(&str, i64, i32)>) -> OrderItem {
        let price = price.map(|(code, units, nanos)| google_type::Money {
            currency_code: code.to_owned(),
            units,
            nanos,
        });
        OrderItem { product_code: "sku1".to_owned(), unit_price, quantity: 1, price, ..OrderItem::default() }
    }

    fn unpriced(unit_price: f32, price: Option<(&str, i64, i32)>) -> OrderItem {
        OrderItem { price_from_list: true, ..item(unit_price, price) }
    }

    /// As [`create`](super::create) of a service without a price list.
    fn create(request: CreateOrderRequest) -> Result<(Draft, Option<IdempotencyKey>), Violations> {
        super::create(request, false).map(|(command, key)| (command.priced(None).unwrap(), key))
    }

    fn request(items: Vec<OrderItem>) -> CreateOrderRequest {
        CreateOrderRequest { user_id: 123, order_items: items, ..Default::default() }
    }

    #[test]
    fn float_price_is_its_shortest_decimal_in_dollars() {
        let (draft, key) = create(request(vec![item(0.12, None)])).unwrap();
        assert_eq!((draft.total().minor(), draft.total().currency()), (12, Currency::USD));
        assert!(key.is_none());
    }

    #[test]
    fn exact_price_overrides_the_float_and_sets_the_currency() {
        let (draft, _) = create(request(vec![item(9.0, Some(("JPY", 12, 0)))])).unwrap();
        assert_eq!((draft.total().minor(), draft.total().currency().code()), (12, "JPY"));
        let (draft, _) = create(request(vec![item(9.0, Some(("", 0, 0))), item(1.0, None)])).unwrap();
        assert_eq!(draft.total().minor(), 100);
    }

    #[test]
    fn only_price_from_list_leaves_the_price_to_the_list() {
        let read = |items| super::create(request(items), true).map(|(command, _)| command);
        for unit_price in [0.0, f32::NAN] {
            let command = read(vec![unpriced(unit_price, None), item(0.12, None)]).unwrap();
            assert!(command.has_unpriced_items());
            assert_eq!(command.priced(None), Err(vec![PricingError::NoPriceList { item: 0 }]));
        }
        // An unset price is 0, which is a price.
        let command = read(vec![item(0.0, None), item(0.12, None)]).unwrap();
        assert!(!command.has_unpriced_items());
        let faults =
            read(vec![unpriced(0.12, None), unpriced(0.0, Some(("USD", 0, 0))), unpriced(-1.0, None)])
                .unwrap_err();
        let fields: Vec<_> = faults.into_iter().map(|violation| violation.field).collect();
        assert_eq!(
            fields,
            ["order_items[0].unit_price", "order_items[1].price", "order_items[2].unit_price"]
        );
    }

    #[test]
    fn missing_price_list_is_reported_with_other_faults_only() {
        let create = |quantity| {
            let items = vec![unpriced(0.0, None), OrderItem { quantity, ..item(1.0, None) }];
            super::create(request(items), false).map(drop)
        };
        assert!(create(1).is_ok(), "alone it is left to the application");
        let fields: Vec<_> = create(0).unwrap_err().into_iter().map(|violation| violation.field).collect();
        assert_eq!(fields, ["order_items[1].quantity", "order_items[0].unit_price"]);
    }
}
