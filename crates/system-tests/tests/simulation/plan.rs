//! What a seed determines: the number of instances, the rates of faults, and the orders that clients place.

use std::time::Duration;

use money::{Currency, Money};
use order::{
    application::VOID_AFTER,
    domain::{Draft, IdempotencyKey, Item, ProductCode, Quantity, UserId},
};
use system_tests::rng::Rng;

use crate::faults::Rates;

/// The credit limit of every account, in major units. The largest amounts exceed 2^24 minor units, which a
/// float32 cannot represent exactly.
pub(crate) const CREDIT_LIMIT_MAJOR: i64 = 500_000;

#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// No faults, except clients that disconnect.
    pub(crate) fault_free: bool,
    pub(crate) order_instances: usize,
    pub(crate) payment_instances: usize,
    pub(crate) rates: Rates,
    /// How long there are faults.
    pub(crate) faults_for: Duration,
    pub(crate) outage: Outage,
    pub(crate) intents: Vec<OrderIntent>,
}

/// An outage that is longer than an order may be PENDING.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outage {
    None,
    /// No Order runs. PENDING orders are old when it ends, and Payment is unreachable for longer.
    AllOrdersDown,
    /// No Order reaches any Payment.
    Partition,
}

/// An order that a client wants to place.
#[derive(Debug, Clone)]
pub(crate) struct OrderIntent {
    pub(crate) draft: Draft,
    pub(crate) key: Option<IdempotencyKey>,
    pub(crate) retry_policy: RetryPolicy,
    pub(crate) starts_at: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RetryPolicy {
    Never,
    /// Retries with the same key until a final outcome.
    UntilFinal,
    /// Sends once, and retries after healing.
    AfterHealing,
}

impl Plan {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let fault_free = rng.chance_per_mille(100);
        let outage = match rng.in_range(0..=99) {
            _ if fault_free => Outage::None,
            0..=9 => Outage::AllOrdersDown,
            10 => Outage::Partition,
            _ => Outage::None,
        };
        let short = rng.ms(8_000..=25_000);
        Self {
            fault_free,
            order_instances: rng.in_range(2..=3).try_into().unwrap(),
            payment_instances: rng.in_range(1..=2).try_into().unwrap(),
            rates: if fault_free { Rates::fault_free() } else { Rates::draw(rng) },
            faults_for: if outage == Outage::None {
                short
            } else {
                short + VOID_AFTER + Duration::from_secs(60)
            },
            outage,
            intents: intents(rng),
        }
    }

    /// The start of the outage: some orders are placed before it, and some after.
    pub(crate) fn outage_starts(&self) -> Duration {
        Duration::from_secs(6)
    }

    /// When Orders start again. Payment is unreachable for longer.
    pub(crate) fn outage_ends(&self) -> Duration {
        self.outage_starts() + VOID_AFTER + Duration::from_secs(5)
    }

    /// Whether no Order may run now.
    pub(crate) fn all_orders_down(&self, now: Duration) -> bool {
        self.outage == Outage::AllOrdersDown && (self.outage_starts()..self.outage_ends()).contains(&now)
    }
}

/// 20 to 40 orders. Some are placed twice, and some keys are used for several orders.
fn intents(rng: &mut Rng) -> Vec<OrderIntent> {
    let users = rng.in_range(3..=5);
    let mut intents = Vec::new();
    for number in 0..rng.in_range(20..=40) {
        let user = UserId::new(rng.in_range(1..=users).try_into().unwrap()).unwrap();
        let intent = OrderIntent {
            draft: draft(rng, user),
            key: (!rng.chance_per_mille(50)).then(|| key(number)),
            retry_policy: retry_policy(rng),
            starts_at: rng.ms(0..=10_000),
        };
        if intent.key.is_some() && rng.chance_per_mille(400) {
            intents.push(with_same_key(rng, &intent));
        }
        intents.push(intent);
    }
    intents
}

/// Another intent with the same key.
fn with_same_key(rng: &mut Rng, intent: &OrderIntent) -> OrderIntent {
    let mut other = OrderIntent { retry_policy: retry_policy(rng), ..intent.clone() };
    let user = intent.draft.user();
    match rng.in_range(0..=4) {
        // The same order, concurrently.
        0 => other.starts_at += rng.ms(0..=50),
        // Another order, concurrently.
        1 => {
            other.draft = draft(rng, user);
            other.starts_at += rng.ms(0..=10);
        }
        // The same order, perhaps much later: a request that was in flight for long.
        2 => other.starts_at += rng.ms(0..=20_000),
        // Another order, later.
        3 => {
            other.draft = draft(rng, user);
            other.starts_at += rng.ms(0..=5_000);
        }
        // The order of another user with an equal key.
        _ => {
            let user = UserId::new(user.get() + 1).unwrap();
            other.draft = draft(rng, user);
        }
    }
    other
}

fn retry_policy(rng: &mut Rng) -> RetryPolicy {
    match rng.in_range(0..=9) {
        0..=2 => RetryPolicy::Never,
        3..=7 => RetryPolicy::UntilFinal,
        _ => RetryPolicy::AfterHealing,
    }
}

fn key(number: u64) -> IdempotencyKey {
    IdempotencyKey::new(format!("key-{number}")).unwrap()
}

/// One to three items, with a total between a small amount and twice the credit limit.
fn draft(rng: &mut Rng, user: UserId) -> Draft {
    let currency =
        if rng.chance_per_mille(700) { Currency::USD } else { Currency::from_code("KWD").unwrap() };
    let limit = u64::try_from(CREDIT_LIMIT_MAJOR * 10_i64.pow(currency.exponent())).unwrap();
    let budget = match rng.in_range(0..=19) {
        0..=9 => rng.in_range(1_000..=limit / 20),
        10..=18 => rng.in_range(limit / 10..=limit * 7 / 10),
        _ => rng.in_range(limit..=limit * 2),
    };
    let count = rng.in_range(1..=3);
    let items = (0..count).map(|_| {
        let quantity = rng.in_range(1..=3);
        Item {
            product_code: ProductCode::new(format!("sku{}", rng.in_range(1..=9))).unwrap(),
            unit_price: Money::from_minor(currency, (budget / count / quantity).try_into().unwrap()).unwrap(),
            quantity: Quantity::new(quantity.try_into().unwrap()).unwrap(),
        }
    });
    test_support::order::draft(user, &items.collect::<Vec<_>>())
}
