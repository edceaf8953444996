//! Maps a field path of the Order contract to a JSON pointer into the request body.

/// What JSON pointers depend on of a request body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BodyShape {
    /// Whether the member `currency` is present.
    pub currency: bool,
    /// The number of `order_items`.
    pub items: usize,
    /// The indexes of the items without `unit_price`.
    pub unpriced: Vec<usize>,
}

/// The JSON pointer (RFC 6901, as a URI fragment) to the member that `field`, a path into
/// `CreateOrderRequest`, comes from: `#/order_items/0/unit_price` for `order_items[0].price`. For a missing
/// member it is the pointer of the object that lacks it. `None` if no member of the body corresponds to the
/// field.
pub fn pointer(field: &str, shape: &BodyShape) -> Option<String> {
    let currency = if shape.currency { "#/currency" } else { "#" };
    match field {
        "user_id" => Some("#/user_id".to_owned()),
        "order_items" => Some("#/order_items".to_owned()),
        "currency_code" => Some(currency.to_owned()),
        _ => {
            let (index, member) = split_item(field)?;
            if index >= shape.items {
                return None;
            }
            let item = format!("#/order_items/{index}");
            match member {
                "" => Some(item),
                "unit_price" | "price" if shape.unpriced.contains(&index) => Some(item),
                "product_code" | "quantity" => Some(format!("{item}/{member}")),
                "unit_price" | "price" | "price.units" | "price.nanos" => Some(format!("{item}/unit_price")),
                // The body has one currency, which is part of every price.
                "price.currency_code" => Some(currency.to_owned()),
                _ => None,
            }
        }
    }
}

/// Splits `order_items[7].price` into 7 and `price`. The member is empty for the path of a whole item.
fn split_item(field: &str) -> Option<(usize, &str)> {
    let (digits, rest) = field.strip_prefix("order_items[")?.split_once(']')?;
    let canonical = digits == "0" || (!digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit()));
    let index = if canonical { digits.parse().ok()? } else { return None };
    match rest {
        "" => Some((index, "")),
        _ => rest.strip_prefix('.').filter(|member| !member.is_empty()).map(|member| (index, member)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: BodyShape = BodyShape { currency: true, items: 2, unpriced: Vec::new() };

    fn full_body_pointer(field: &str) -> Option<String> {
        pointer(field, &FULL)
    }

    #[test]
    fn a_field_points_to_its_member() {
        for (field, expected) in [
            ("user_id", "#/user_id"),
            ("order_items", "#/order_items"),
            ("order_items[1]", "#/order_items/1"),
            ("order_items[0].product_code", "#/order_items/0/product_code"),
            ("order_items[1].quantity", "#/order_items/1/quantity"),
            ("order_items[0].unit_price", "#/order_items/0/unit_price"),
            ("order_items[0].price", "#/order_items/0/unit_price"),
            ("order_items[0].price.units", "#/order_items/0/unit_price"),
            ("order_items[0].price.nanos", "#/order_items/0/unit_price"),
            ("order_items[0].price.currency_code", "#/currency"),
            ("currency_code", "#/currency"),
        ] {
            assert_eq!(full_body_pointer(field).as_deref(), Some(expected), "{field}");
        }
    }

    #[test]
    fn a_missing_currency_points_to_the_document() {
        let without = BodyShape { items: 1, ..BodyShape::default() };
        assert_eq!(pointer("currency_code", &without).as_deref(), Some("#"));
        assert_eq!(pointer("order_items[0].price.currency_code", &without).as_deref(), Some("#"));
    }

    #[test]
    fn a_missing_price_points_to_its_item() {
        let without = BodyShape { unpriced: vec![1], ..FULL };
        assert_eq!(
            pointer("order_items[0].unit_price", &without).as_deref(),
            Some("#/order_items/0/unit_price")
        );
        assert_eq!(pointer("order_items[1].unit_price", &without).as_deref(), Some("#/order_items/1"));
        assert_eq!(pointer("order_items[1].price", &without).as_deref(), Some("#/order_items/1"));
        assert_eq!(pointer("order_items[1].quantity", &without).as_deref(), Some("#/order_items/1/quantity"));
    }

    #[test]
    fn a_field_without_a_member_has_no_pointer() {
        for field in [
            "",
            "payment",
            "made_up.field",
            "idempotency_key",
            "order_items[2].quantity",
            "order_items[18446744073709551616]",
            "order_items[-1]",
            "order_items[+1]",
            "order_items[01]",
            "order_items[]",
            "order_items[0",
            "order_items[0]quantity",
            "order_items[0].",
            "order_items[0].secret",
            "order_items[0].price.units.more",
            "Order_items",
        ] {
            assert_eq!(full_body_pointer(field), None, "{field}");
        }
    }
}
