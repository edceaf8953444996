//! Fault injection rules drawn from a seed, in the format of `FAULT_INJECTION`.

use system_tests::rng::Rng;

const ORDER: [&str; 14] = [
    "orders.insert.before",
    "orders.insert.after",
    "orders.find_by_key.before",
    "orders.settle.before",
    "orders.settle.after",
    "orders.reopen.before",
    "orders.reopen.after",
    "orders.claim.before",
    "orders.claim.after",
    "payments.charge.before",
    "payments.charge.before",
    "payments.charge.after",
    "commit.before",
    "commit.after",
];
const PAYMENT: [&str; 4] = ["ledger.charge.before", "ledger.charge.after", "commit.before", "commit.after"];

/// Rules of an Order; may be empty.
pub(super) fn order(rng: &mut Rng) -> String {
    rules(rng, &ORDER)
}

/// Rules of a Payment; may be empty.
pub(super) fn payment(rng: &mut Rng) -> String {
    rules(rng, &PAYMENT)
}

fn rules(rng: &mut Rng, points: &[&str]) -> String {
    let mut rules = Vec::new();
    for point in points {
        if rng.chance_percent(35) {
            rules.push(rule(rng, point));
        }
    }
    rules.join(",")
}

fn rule(rng: &mut Rng, point: &str) -> String {
    let seed = rng.in_range(0..=u64::from(u32::MAX));
    let before = point.ends_with(".before");
    let may_refuse = before && !point.starts_with("commit");
    let action = match rng.in_range(1..=100) {
        1..=20 => "kill%1.5".to_owned(),
        21..=50 => "error%5".to_owned(),
        51..=70 if may_refuse => "refuse%5".to_owned(),
        71..=85 if point == "payments.charge.before" => {
            format!("twice:{}%10", rng.in_range(0..=3000))
        }
        // On SQLite, a long commit blocks all other writes.
        _ if point.starts_with("commit") => format!("delay:{}%2", rng.in_range(10..=300)),
        _ => format!("delay:{}%4", rng.in_range(10..=2500)),
    };
    format!("{point}={action}:{seed}")
}
