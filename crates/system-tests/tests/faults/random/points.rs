//! Fail-points drawn from a seed, as a service's environment names them.

use crate::dice::Dice;

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

/// How Order fails for a while, empty where it does not.
pub(super) fn order(dice: &mut Dice) -> String {
    drawn(dice, &ORDER)
}

/// The same of Payment.
pub(super) fn payment(dice: &mut Dice) -> String {
    drawn(dice, &PAYMENT)
}

fn drawn(dice: &mut Dice, points: &[&str]) -> String {
    let mut rules = Vec::new();
    for point in points {
        if dice.percent(35) {
            rules.push(rule(dice, point));
        }
    }
    rules.join(",")
}

fn rule(dice: &mut Dice, point: &str) -> String {
    let seed = dice.within(0..=u64::from(u32::MAX));
    let before = point.ends_with(".before");
    let may_refuse = before && !point.starts_with("commit");
    let action = match dice.within(1..=100) {
        1..=20 => "kill%1.5".to_owned(),
        21..=50 => "error%5".to_owned(),
        51..=70 if may_refuse => "refuse%5".to_owned(),
        71..=85 if point == "payments.charge.before" => {
            format!("twice:{}%10", dice.within(0..=3000))
        }
        // A commit that takes long keeps all others waiting on SQLite.
        _ if point.starts_with("commit") => format!("delay:{}%2", dice.within(10..=300)),
        _ => format!("delay:{}%4", dice.within(10..=2500)),
    };
    format!("{point}={action}:{seed}")
}
