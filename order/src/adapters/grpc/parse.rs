//! From the wire to the domain: the only place that reads requests. Every fault of a request is found at once.

use money::{Currency, Money, Rounding};
use proto::{
    google_type,
    order::{CreateOrderRequest, GetOrderRequest, ListOrdersRequest, OrderItem},
};
use tonic_types::FieldViolation;

use super::{errors, render::PageToken};
use crate::domain::{
    Basket, DraftError, ITEMS_MAX, IdempotencyKey, KEY_BYTES_MAX, Line, OrderId, PRODUCT_CODE_CHARS_MAX,
    ProductCode, QUANTITY_MAX, Quantity, Refusal, UserId,
};

/// What is wrong with a request, field by field.
pub(super) type Violations = Vec<FieldViolation>;

const ABOVE_ZERO: &str = "must be above 0";

/// What a request asks for, and the key that it names. A price that is left to a list where none is kept is a fault that
/// is named among others; alone, it is for the application to refuse, which knows what was placed before.
pub(super) fn create(
    request: CreateOrderRequest,
    list_is_kept: bool,
) -> Result<(Basket, Option<IdempotencyKey>), Violations> {
    let mut faults = Violations::new();
    let user = user(request.user_id, &mut faults);
    let key = key(request.idempotency_key, &mut faults);
    let currency = currency(&request.currency_code, &request.order_items, &mut faults);
    let count = request.order_items.len();
    if !(1..=ITEMS_MAX).contains(&count) {
        faults.push(FieldViolation::new("order_items", DraftError::ItemCount.to_string()));
    }
    let mut left = Vec::new();
    let mut lines = Vec::new();
    for (index, item) in request.order_items.into_iter().take(ITEMS_MAX).enumerate() {
        if item.price_from_list && !list_is_kept {
            left.push(errors::refusal(&Refusal::NoList { item: index }));
        }
        lines.extend(read_item(index, item, currency, &mut faults));
    }
    match (user, key, currency) {
        (Some(user), Ok(key), Some(currency)) if faults.is_empty() => {
            match Basket::new(user, currency, lines) {
                Ok(basket) => Ok((basket, key)),
                Err(error) => Err(vec![FieldViolation::new("order_items", error.to_string())]),
            }
        }
        _ => {
            faults.append(&mut left);
            Err(faults)
        }
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

fn read_item(
    index: usize,
    item: OrderItem,
    currency: Option<Currency>,
    faults: &mut Violations,
) -> Option<Line> {
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
        _ if item.price_from_list => unnamed(item.unit_price, item.price.as_ref()).map_err(|member| {
            fault(member, "must not be set where price_from_list is".to_owned());
        }),
        (None, _) => Err(()),
        (Some(currency), Some(price)) => exact(currency, price).map(Some).map_err(|why| fault("price", why)),
        (Some(currency), None) => Money::from_float(currency, item.unit_price, Rounding::Exact)
            .map(Some)
            .map_err(|why| fault("unit_price", why.to_string())),
    };
    let quantity = Quantity::new(item.quantity);
    if quantity.is_none() {
        fault("quantity", format!("must be 1 to {QUANTITY_MAX}"));
    }
    Some(Line { product_code: product_code?, unit_price: price.ok()?, quantity: quantity? })
}

/// No price, of an item that leaves it to the list; or the member that names one.
fn unnamed(unit_price: f32, price: Option<&google_type::Money>) -> Result<Option<Money>, &'static str> {
    match price {
        Some(_) => Err("price"),
        // NaN is for servers that know no list, which refuse it.
        None if unit_price == 0.0 || unit_price.is_nan() => Ok(None),
        None => Err("unit_price"),
    }
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
    use crate::domain::Draft;

    fn item(unit_price: f32, price: Option<(&str, i64, i32)>) -> OrderItem {
        let price = price.map(|(code, units, nanos)| google_type::Money {
            currency_code: code.to_owned(),
            units,
            nanos,
        });
        OrderItem { product_code: "sku1".to_owned(), unit_price, quantity: 1, price, ..OrderItem::default() }
    }

    fn left(unit_price: f32, price: Option<(&str, i64, i32)>) -> OrderItem {
        OrderItem { price_from_list: true, ..item(unit_price, price) }
    }

    /// As an Order reads it that keeps no price list.
    fn create(request: CreateOrderRequest) -> Result<(Draft, Option<IdempotencyKey>), Violations> {
        super::create(request, false).map(|(basket, key)| (basket.priced(None).unwrap(), key))
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
                OrderItem { product_code: "\0".to_owned(), quantity: 0, ..item(-0.01, None) },
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
    fn a_price_is_left_to_the_list_by_a_field_of_its_own() {
        let read = |items| super::create(request(items), true).map(|(basket, _)| basket);
        for unit_price in [0.0, f32::NAN] {
            let basket = read(vec![left(unit_price, None), item(0.12, None)]).unwrap();
            assert!(basket.leaves_a_price());
            assert_eq!(basket.priced(None), Err(vec![Refusal::NoList { item: 0 }]));
        }
        // Not set is 0, and a price of 0 is a price.
        let basket = read(vec![item(0.0, None), item(0.12, None)]).unwrap();
        assert!(!basket.leaves_a_price());
        let named =
            read(vec![left(0.12, None), left(0.0, Some(("USD", 0, 0))), left(-1.0, None)]).unwrap_err();
        let named: Vec<_> = named.into_iter().map(|violation| violation.field).collect();
        assert_eq!(named, ["order_items[0].unit_price", "order_items[1].price", "order_items[2].unit_price"]);
    }

    #[test]
    fn a_price_that_is_left_to_no_list_is_named_among_other_faults() {
        let asked = |quantity| {
            let items = vec![left(0.0, None), OrderItem { quantity, ..item(1.0, None) }];
            super::create(request(items), false).map(drop)
        };
        assert!(asked(1).is_ok(), "by itself it is for the application to refuse");
        let fields: Vec<_> = asked(0).unwrap_err().into_iter().map(|violation| violation.field).collect();
        assert_eq!(fields, ["order_items[1].quantity", "order_items[0].unit_price"]);
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
