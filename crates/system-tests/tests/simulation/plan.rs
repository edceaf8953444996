//! What a seed stands for: how many instances, what weather, and what customers want.

use std::time::Duration;

use money::{Currency, Money};
use order::{
    application::VOID_AFTER,
    domain::{Draft, IdempotencyKey, Item, ProductCode, Quantity, UserId},
};

use crate::{faults::Rates, random::Random};

/// The credit limit of every account, in major units. The largest amounts are above 2^24 minor units, so that
/// no float32 holds them.
pub(crate) const CREDIT_LIMIT_MAJOR: i64 = 500_000;

/// A run before it begins.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Nothing goes wrong but that customers leave.
    pub(crate) calm: bool,
    pub(crate) order_instances: usize,
    pub(crate) payment_instances: usize,
    pub(crate) rates: Rates,
    /// How long things go wrong.
    pub(crate) chaos: Duration,
    pub(crate) outage: Outage,
    pub(crate) wishes: Vec<Wish>,
}

/// Trouble that lasts for longer than an order may be PENDING.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outage {
    None,
    /// No Order is up: whatever was PENDING is old when they are back, and still cannot be asked about.
    Dark,
    /// No Order reaches any Payment.
    Partition,
}

/// What a customer wants.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    pub(crate) draft: Draft,
    pub(crate) key: Option<IdempotencyKey>,
    pub(crate) habit: Habit,
    pub(crate) begins: Duration,
}

/// What a customer does who was told nothing final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Habit {
    /// Leaves it at that.
    Once,
    /// Asks again with the same key, until there is a final answer.
    Insists,
    /// Asks once, and again when all is well.
    Returns,
}

impl Plan {
    pub(crate) fn drawn(random: &mut Random) -> Self {
        let calm = random.chance(100);
        let outage = match random.within(0..=99) {
            _ if calm => Outage::None,
            0..=9 => Outage::Dark,
            10 => Outage::Partition,
            _ => Outage::None,
        };
        let storm = random.ms(8_000..=25_000);
        Self {
            calm,
            order_instances: random.within(2..=3).try_into().unwrap(),
            payment_instances: random.within(1..=2).try_into().unwrap(),
            rates: if calm { Rates::calm() } else { Rates::drawn(random) },
            chaos: if outage == Outage::None { storm } else { storm + VOID_AFTER + Duration::from_secs(60) },
            outage,
            wishes: wishes(random),
        }
    }

    /// When the outage begins: some orders are placed, and some are not.
    pub(crate) fn outage_begins(&self) -> Duration {
        Duration::from_secs(6)
    }

    /// When Orders are up again after a dark time; Payment is out of reach for longer.
    pub(crate) fn outage_ends(&self) -> Duration {
        self.outage_begins() + VOID_AFTER + Duration::from_secs(5)
    }

    /// Whether no Order may be up at this moment.
    pub(crate) fn is_dark(&self, now: Duration) -> bool {
        self.outage == Outage::Dark && (self.outage_begins()..self.outage_ends()).contains(&now)
    }
}

/// 20 to 40 orders, some of them wanted twice, and some keys used for more than one.
fn wishes(random: &mut Random) -> Vec<Wish> {
    let users = random.within(3..=5);
    let mut wishes = Vec::new();
    for number in 0..random.within(20..=40) {
        let user = UserId::new(random.within(1..=users).try_into().unwrap()).unwrap();
        let wish = Wish {
            draft: draft(random, user),
            key: (!random.chance(50)).then(|| key(number)),
            habit: habit(random),
            begins: random.ms(0..=10_000),
        };
        if wish.key.is_some() && random.chance(400) {
            wishes.push(relative(random, &wish));
        }
        wishes.push(wish);
    }
    wishes
}

/// Another request under the same key.
fn relative(random: &mut Random, wish: &Wish) -> Wish {
    let mut other = Wish { habit: habit(random), ..wish.clone() };
    let user = wish.draft.user();
    match random.within(0..=4) {
        // At once, or nearly.
        0 => other.begins += random.ms(0..=50),
        // At once, with another meaning.
        1 => {
            other.draft = draft(random, user);
            other.begins += random.ms(0..=10);
        }
        // Long after, perhaps: a request that was under way for long.
        2 => other.begins += random.ms(0..=20_000),
        // With another meaning.
        3 => {
            other.draft = draft(random, user);
            other.begins += random.ms(0..=5_000);
        }
        // By another customer, who happens to have the same key.
        _ => {
            let user = UserId::new(user.get() + 1).unwrap();
            other.draft = draft(random, user);
        }
    }
    other
}

fn habit(random: &mut Random) -> Habit {
    match random.within(0..=9) {
        0..=2 => Habit::Once,
        3..=7 => Habit::Insists,
        _ => Habit::Returns,
    }
}

fn key(number: u64) -> IdempotencyKey {
    IdempotencyKey::new(format!("key-{number}")).unwrap()
}

/// One to three items that cost from next to nothing to more than any account has.
fn draft(random: &mut Random, user: UserId) -> Draft {
    let currency = if random.chance(700) { Currency::USD } else { Currency::from_code("KWD").unwrap() };
    let limit = u64::try_from(CREDIT_LIMIT_MAJOR * 10_i64.pow(currency.exponent())).unwrap();
    let budget = match random.within(0..=19) {
        0..=9 => random.within(1_000..=limit / 20),
        10..=18 => random.within(limit / 10..=limit * 7 / 10),
        _ => random.within(limit..=limit * 2),
    };
    let count = random.within(1..=3);
    let items = (0..count).map(|_| {
        let quantity = random.within(1..=3);
        Item {
            product_code: ProductCode::new(format!("sku{}", random.within(1..=9))).unwrap(),
            unit_price: Money::from_minor(currency, (budget / count / quantity).try_into().unwrap()).unwrap(),
            quantity: Quantity::new(quantity.try_into().unwrap()).unwrap(),
        }
    });
    test_support::order::draft(user, &items.collect::<Vec<_>>())
}
