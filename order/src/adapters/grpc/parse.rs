//! From the wire to the domain: the only place that reads requests. Every fault of a request is found at once.

use money::{Currency, Excess, Money};
use proto::{
    google_type,
    order::{CreateOrderRequest, GetOrderRequest, ListOrdersRequest, OrderItem},
};
use tonic_types::FieldViolation;

use super::render::PageToken;
use crate::domain::{
    Draft, DraftError, ITEMS_MAX, IdempotencyKey, Item, KEY_BYTES_MAX, OrderId, PRODUCT_CODE_CHARS_MAX,
    ProductCode, QUANTITY_MAX, Quantity, UserId,
};

/// What is wrong with a request, field by field.
pub(super) type Violations = Vec<FieldViolation>;

const ABOVE_ZERO: &str = "must be above 0";

/// The order that a request asks for, and the key that it names.
pub(super) fn create(request: CreateOrderRequest) -> Result<(Draft, Option<IdempotencyKey>), Violations> {
    let mut faults = Violations::new();
    let user = user(request.user_id, &mut faults);
    let key = key(request.idempotency_key, &mut faults);
    let currency = currency(&request.currency_code, &request.order_items, &mut faults);
    let count = request.order_items.len();
    if !(1..=ITEMS_MAX).contains(&count) {
        faults.push(FieldViolation::new("order_items", DraftError::ItemCount.to_string()));
    }
    let items = request.order_items.into_iter().take(ITEMS_MAX).enumerate();
    let items: Vec<Item> =
        items.filter_map(|(index, item)| read_item(index, item, currency, &mut faults)).collect();
    match (user, key) {
        (Some(user), Ok(key)) if faults.is_empty() => match Draft::new(user, items) {
            Ok(draft) => Ok((draft, key)),
            Err(error) => Err(vec![FieldViolation::new("order_items", error.to_string())]),
        },
        _ => Err(faults),
    }
}

/// Which order a request asks for, and whose it must be.
pub(super) fn get(request: &GetOrderRequest) -> Result<(OrderId, Option<UserId>), Violations> {
    let mut faults = Violations::new();
    let id = OrderId::new(request.order_id);
    if id.is_none() {
        faults.push(FieldViolation::new("order_id", ABOVE_ZERO));
    }
    // On the wire 0 is a field that is not set.
    let owner = (request.user_id != 0).then(|| user(request.user_id, &mut faults)).flatten();
    id.filter(|_| faults.is_empty()).map(|id| (id, owner)).ok_or(faults)
}

/// A page that a request asks for.
pub(super) struct Listing {
    pub(super) user: UserId,
    pub(super) before: Option<OrderId>,
    pub(super) page_size: u32,
}

/// Which page a request asks for.
pub(super) fn list(request: &ListOrdersRequest) -> Result<Listing, Violations> {
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
        (Some(user), Ok(page_size)) if faults.is_empty() => Ok(Listing { user, before, page_size }),
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

/// The currency of the order: its own, else that of the first exact price, else USD.
fn currency(code: &str, items: &[OrderItem], faults: &mut Violations) -> Option<Currency> {
    let priced = items.iter().filter_map(|item| item.price.as_ref());
    let code = if code.is_empty() {
        priced.map(|price| price.currency_code.as_str()).find(|code| !code.is_empty()).unwrap_or("USD")
    } else {
        code
    };
    Currency::from_code(code)
        .map_err(|error| faults.push(FieldViolation::new("currency_code", error.to_string())))
        .ok()
}

fn read_item(
    index: usize,
    item: OrderItem,
    currency: Option<Currency>,
    faults: &mut Violations,
) -> Option<Item> {
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
        (None, _) => None,
        (Some(currency), Some(price)) => exact(currency, price).map_err(|why| fault("price", why)).ok(),
        (Some(currency), None) => Money::from_float(currency, item.unit_price, Excess::Refuse)
            .map_err(|why| fault("unit_price", why.to_string()))
            .ok(),
    };
    let quantity = Quantity::new(item.quantity);
    if quantity.is_none() {
        fault("quantity", format!("must be 1 to {QUANTITY_MAX}"));
    }
    Some(Item { product_code: product_code?, unit_price: price?, quantity: quantity? })
}

fn exact(currency: Currency, price: &google_type::Money) -> Result<Money, String> {
    if !price.currency_code.is_empty() && price.currency_code != currency.code() {
        return Err(format!("must be in the currency of the order, {currency}"));
    }
    Money::from_units_nanos(currency, price.units, price.nanos).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(unit_price: f32, price: Option<(&str, i64, i32)>) -> OrderItem {
        let price = price.map(|(code, units, nanos)| google_type::Money {
            currency_code: code.to_owned(),
            units,
            nanos,
        });
        OrderItem { product_code: "sku1".to_owned(), unit_price, quantity: 1, price }
    }

    fn request(items: Vec<OrderItem>) -> CreateOrderRequest {
        CreateOrderRequest { user_id: 123, order_items: items, ..Default::default() }
    }

    fn fields(request: CreateOrderRequest) -> Vec<String> {
        create(request).expect_err("refused").into_iter().map(|violation| violation.field).collect()
    }

    #[test]
    fn a_float_price_is_its_shortest_decimal_in_dollars() {
        let (draft, key) = create(request(vec![item(0.12, None)])).unwrap();
        assert_eq!((draft.total().minor(), draft.total().currency()), (12, Currency::USD));
        assert!(key.is_none());
    }

    #[test]
    fn an_exact_price_wins_and_brings_its_currency() {
        let (draft, _) = create(request(vec![item(9.0, Some(("JPY", 12, 0)))])).unwrap();
        assert_eq!((draft.total().minor(), draft.total().currency().code()), (12, "JPY"));
        let (draft, _) = create(request(vec![item(9.0, Some(("", 0, 0))), item(1.0, None)])).unwrap();
        assert_eq!(draft.total().minor(), 100);
    }

    #[test]
    fn every_fault_is_found_at_once() {
        let bad = CreateOrderRequest {
            user_id: 0,
            order_items: vec![
                OrderItem { product_code: "\0".to_owned(), unit_price: -0.01, quantity: 0, price: None },
                item(0.001, None),
                item(0.0, Some(("EUR", 1, 0))),
            ],
            currency_code: "USD".to_owned(),
            idempotency_key: "a b".to_owned(),
        };
        assert_eq!(
            fields(bad),
            [
                "user_id",
                "idempotency_key",
                "order_items[0].product_code",
                "order_items[0].unit_price",
                "order_items[0].quantity",
                "order_items[1].unit_price",
                "order_items[2].price",
            ]
        );
    }

    #[test]
    fn the_count_of_items_and_the_total_are_bounded() {
        assert_eq!(fields(request(vec![])), ["order_items"]);
        assert_eq!(fields(request(vec![item(1.0, None); ITEMS_MAX + 1])), ["order_items"]);
        assert_eq!(fields(request(vec![item(0.0, None)])), ["order_items"]);
        assert_eq!(fields(request(vec![item(f32::NAN, None)])), ["order_items[0].unit_price"]);
        let unknown =
            CreateOrderRequest { currency_code: "usd".to_owned(), ..request(vec![item(1.0, None)]) };
        assert_eq!(fields(unknown), ["currency_code"]);
    }

    #[test]
    fn a_page_token_belongs_to_its_user() {
        let token =
            PageToken { user: UserId::new(7).unwrap(), before: OrderId::new(99).unwrap() }.to_string();
        let ask = |user_id, page_token: &str| {
            let asked = ListOrdersRequest { user_id, page_size: 0, page_token: page_token.to_owned() };
            list(&asked).map(|listing| listing.before.map(OrderId::get))
        };
        assert_eq!(ask(7, &token).unwrap(), Some(99));
        assert_eq!(ask(7, "").unwrap(), None);
        assert_eq!(ask(8, &token).unwrap_err()[0].field, "page_token");
        assert_eq!(ask(7, "7").unwrap_err()[0].field, "page_token");
    }

    #[test]
    fn an_order_is_asked_for_by_an_id_above_zero() {
        let ask =
            |order_id, user_id| get(&GetOrderRequest { order_id, user_id }).map_err(|faults| faults.len());
        assert!(ask(1, 0).is_ok_and(|(_, owner)| owner.is_none()));
        assert!(ask(1, 7).is_ok_and(|(_, owner)| owner == UserId::new(7)));
        assert_eq!(ask(0, -1).map(drop), Err(2));
    }
}
