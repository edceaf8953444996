//! What a caller asks for: an order whose prices may be left to the price list.

use std::collections::{BTreeMap, BTreeSet};

use money::{Currency, Money};

use super::{Draft, DraftError, Fingerprint, ITEMS_MAX, Item, ProductCode, Quantity, UserId};

/// One line of an order as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What is ordered.
    pub product_code: ProductCode,
    /// Price of one piece as the caller named it, in the currency of the order; `None` where it is left to the price list.
    pub unit_price: Option<Money>,
    /// How many pieces.
    pub quantity: Quantity,
}

/// What products cost by a price list: the price of one piece of each, in one currency.
pub type Quotes = BTreeMap<ProductCode, Money>;

/// What a caller asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Basket {
    user: UserId,
    currency: Currency,
    lines: Vec<Line>,
    fingerprint: Fingerprint,
}

/// Why a basket becomes no order. Items are counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The item has another price than its product by the list.
    OtherPrice {
        /// Which item.
        item: usize,
        /// The price by the list.
        listed: Money,
    },
    /// The list has no price for the product of the item.
    NoPrice {
        /// Which item.
        item: usize,
        /// In this currency, that of the order.
        currency: Currency,
    },
    /// The price of the item is left to a list that there is not.
    NoList {
        /// Which item.
        item: usize,
    },
    /// The items, with their prices by the list, make no order.
    Items(DraftError),
}

impl Basket {
    /// A basket of `lines` for `user`, with every price in `currency`.
    ///
    /// # Errors
    ///
    /// [`DraftError`] where the lines are none or too many, or name every price and the total is out of range.
    pub fn new(user: UserId, currency: Currency, lines: Vec<Line>) -> Result<Self, DraftError> {
        if !(1..=ITEMS_MAX).contains(&lines.len()) {
            return Err(DraftError::ItemCount);
        }
        let named = lines.iter().map(|line| Some((line.unit_price?, line.quantity)));
        if let Some(named) = named.collect::<Option<Vec<_>>>() {
            Draft::total_of(currency, named.into_iter())?;
        }
        let fingerprint = Fingerprint::of(
            user,
            currency,
            lines.iter().map(|line| (&line.product_code, line.unit_price, line.quantity)),
        );
        Ok(Self { user, currency, lines, fingerprint })
    }

    /// Who orders.
    pub fn user(&self) -> UserId {
        self.user
    }

    /// What every price is in.
    pub fn currency(&self) -> Currency {
        self.currency
    }

    /// What the request means: as it was sent, whatever the price list has.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// Whether the price of a line is left to the price list.
    pub fn leaves_a_price(&self) -> bool {
        self.lines.iter().any(|line| line.unit_price.is_none())
    }

    /// What is ordered, each product once.
    pub fn products(&self) -> BTreeSet<&ProductCode> {
        self.lines.iter().map(|line| &line.product_code).collect()
    }

    /// The order that this becomes by `quotes`, the prices of [`products`](Self::products) by the price list as far as
    /// it has them; without a list, by the prices that the caller named.
    ///
    /// # Errors
    ///
    /// Every [`Refusal`], in the order of the items.
    pub fn priced(&self, quotes: Option<&Quotes>) -> Result<Draft, Vec<Refusal>> {
        let price = |(item, line): (usize, &Line)| match (quotes, line.unit_price) {
            (None, named) => named.ok_or(Refusal::NoList { item }),
            (Some(quotes), named) => {
                let listed = *quotes
                    .get(&line.product_code)
                    .ok_or(Refusal::NoPrice { item, currency: self.currency })?;
                let holds = named.is_none_or(|named| named == listed);
                if holds { Ok(listed) } else { Err(Refusal::OtherPrice { item, listed }) }
            }
        };
        let (mut items, mut refusals) = (Vec::with_capacity(self.lines.len()), Vec::new());
        for (line, price) in self.lines.iter().zip(self.lines.iter().enumerate().map(price)) {
            let Line { product_code, quantity, .. } = line.clone();
            match price {
                Ok(unit_price) => items.push(Item { product_code, unit_price, quantity }),
                Err(refusal) => refusals.push(refusal),
            }
        }
        if !refusals.is_empty() {
            return Err(refusals);
        }
        Draft::of(self.user, items, self.fingerprint.clone()).map_err(|error| vec![Refusal::Items(error)])
    }
}

impl From<Draft> for Basket {
    /// The basket that names every price of `draft`.
    fn from(draft: Draft) -> Self {
        let (user, currency) = (draft.user(), draft.total().currency());
        let (items, fingerprint) = draft.into_parts();
        let line = |item: Item| Line {
            product_code: item.product_code,
            unit_price: Some(item.unit_price),
            quantity: item.quantity,
        };
        Self { user, currency, lines: items.into_iter().map(line).collect(), fingerprint }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> ProductCode {
        ProductCode::new(text.to_owned()).unwrap()
    }

    fn dollars(minor: i64) -> Money {
        Money::from_minor(Currency::USD, minor).unwrap()
    }

    fn try_basket(lines: &[(&str, Option<i64>)]) -> Result<Basket, DraftError> {
        let line = |&(product_code, minor): &(&str, Option<i64>)| Line {
            product_code: code(product_code),
            unit_price: minor.map(dollars),
            quantity: Quantity::new(2).unwrap(),
        };
        Basket::new(UserId::new(1).unwrap(), Currency::USD, lines.iter().map(line).collect())
    }

    fn basket(lines: &[(&str, Option<i64>)]) -> Basket {
        try_basket(lines).unwrap()
    }

    fn quotes(prices: &[(&str, i64)]) -> Quotes {
        prices.iter().map(|&(product, minor)| (code(product), dollars(minor))).collect()
    }

    #[test]
    fn without_a_list_the_caller_names_every_price() {
        let draft = basket(&[("a", Some(12)), ("b", Some(0))]).priced(None).unwrap();
        assert_eq!(draft.total(), dollars(24));
        let refused = basket(&[("a", None), ("b", Some(1)), ("c", None)]).priced(None);
        assert_eq!(refused, Err(vec![Refusal::NoList { item: 0 }, Refusal::NoList { item: 2 }]));
    }

    #[test]
    fn a_price_that_is_left_out_is_that_of_the_list() {
        let list = quotes(&[("a", 12), ("b", 0)]);
        let draft = basket(&[("a", None), ("b", None), ("a", Some(12))]).priced(Some(&list)).unwrap();
        let prices: Vec<i64> = draft.items().iter().map(|item| item.unit_price.minor()).collect();
        assert_eq!((prices, draft.total()), (vec![12, 0, 12], dollars(48)));
    }

    #[test]
    fn every_item_that_the_list_refuses_is_named_at_once() {
        let list = quotes(&[("a", 12), ("b", 5)]);
        let asked = basket(&[("a", Some(11)), ("A", None), ("b", Some(5)), ("c", Some(1)), ("b", Some(0))]);
        let currency = Currency::USD;
        assert_eq!(
            asked.priced(Some(&list)),
            Err(vec![
                Refusal::OtherPrice { item: 0, listed: dollars(12) },
                Refusal::NoPrice { item: 1, currency },
                Refusal::NoPrice { item: 3, currency },
                Refusal::OtherPrice { item: 4, listed: dollars(5) },
            ])
        );
    }

    #[test]
    fn a_total_is_bounded_whoever_names_the_prices() {
        let nothing = DraftError::NothingToPay;
        let large = DraftError::Total(money::AmountError::TooLarge);
        assert_eq!(try_basket(&[("a", Some(0))]), Err(nothing));
        assert_eq!(try_basket(&[("a", Some(Money::MINOR_MAX))]), Err(large));
        assert_eq!(try_basket(&[]), Err(DraftError::ItemCount));
        assert_eq!(try_basket(&[("a", None); ITEMS_MAX + 1]), Err(DraftError::ItemCount));
        for (listed, error) in [(0, nothing), (Money::MINOR_MAX, large)] {
            let refused = basket(&[("a", None)]).priced(Some(&quotes(&[("a", listed)])));
            assert_eq!(refused, Err(vec![Refusal::Items(error)]));
        }
    }

    #[test]
    fn what_a_request_means_does_not_depend_on_the_list() {
        let asked = basket(&[("a", None), ("b", Some(5))]);
        for price in [12, 13] {
            let list = quotes(&[("a", price), ("b", 5)]);
            assert_eq!(asked.priced(Some(&list)).unwrap().fingerprint(), asked.fingerprint());
        }
        // What was named is kept under the meaning that it had before there were lists.
        let named = basket(&[("a", Some(12)), ("b", Some(5))]);
        let draft = named.priced(Some(&quotes(&[("a", 12), ("b", 5)]))).unwrap();
        assert_eq!(Some(&draft), Draft::new(named.user(), draft.items().to_vec()).ok().as_ref());
        assert_eq!(Basket::from(draft), named);
    }
}
