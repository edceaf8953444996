//! The contract of the `Accounts` port.

use money::Currency;
use payment::{
    domain::{ChangeId, LimitChange, Outcome},
    ports::{CHANGES_MAX, LedgerError, NewLimit},
};
use service_kit::ids::{IdSequence, now_ms};

use crate::{
    Clause, Store,
    books::{Desk, money, request, user},
    clauses,
};

pub(crate) const CLAUSES: &[(&str, Clause)] = clauses![
    an_account_is_shown_as_it_was_opened_and_charged,
    a_limit_that_is_set_opens_the_account_and_is_recorded_with_every_field,
    a_limit_that_is_set_holds_for_the_next_charge_and_leaves_what_was_charged,
    the_last_changes_of_an_account_are_told_newest_first,
    a_change_whose_id_is_taken_is_a_clash_that_writes_nothing,
    limits_set_at_once_each_tell_the_one_before,
];

fn new(ids: &IdSequence, customer: i64, code: &str, minor: i64) -> NewLimit {
    NewLimit {
        user: user(customer),
        limit: money(code, minor),
        change: ChangeId::new(ids.next_id()).unwrap(),
        operator: "Zoë 🦀 O'Hara".parse().unwrap(),
        reason: None,
        now_ms: now_ms(),
    }
}

async fn an_account_is_shown_as_it_was_opened_and_charged(Store { books, accounts }: Store) {
    let desk = Desk::default();
    assert_eq!(accounts.find(user(1), None).await, Ok(Vec::new()));
    for (id, total) in [(1, money("USD", 300)), (2, money("EUR", 20))] {
        books.record_charge(&desk.charge(request(id, 1, total))).await.unwrap();
    }
    let found = accounts.find(user(1), None).await.unwrap();
    let told: Vec<_> = found.iter().map(|account| (account.limit, account.charged)).collect();
    let limit = |code| money(code, 10_000);
    assert_eq!(told, [(limit("EUR"), money("EUR", 20)), (limit("USD"), money("USD", 300))]);
    assert!(found.iter().all(|account| account.user == user(1) && account.changes.is_empty()));
    assert_eq!(accounts.find(user(1), Some(Currency::USD)).await.unwrap(), found[1..]);
    assert_eq!(accounts.find(user(2), None).await, Ok(Vec::new()));
}

async fn a_limit_that_is_set_opens_the_account_and_is_recorded_with_every_field(store: Store) {
    let Store { accounts, .. } = store;
    let ids = IdSequence::default();
    let mut limit = new(&ids, i64::MAX, "CLF", money::Money::MINOR_MAX);
    limit.reason = Some("\"a friend\"; DROP TABLE accounts -- ?".parse().unwrap());
    let change = accounts.set_limit(&limit).await.unwrap();
    let mut want = LimitChange {
        id: limit.change,
        user: limit.user,
        before: None,
        after: limit.limit,
        operator: limit.operator,
        reason: limit.reason,
        changed_ms: limit.now_ms,
    };
    assert_eq!(change, want);
    let found = accounts.find(limit.user, None).await.unwrap();
    assert_eq!((found[0].limit, found[0].charged), (limit.limit, money("CLF", 0)));
    assert_eq!(found[0].changes, [change]);
    // To the same once more: a change like any other.
    limit = NewLimit { reason: None, ..new(&ids, i64::MAX, "CLF", money::Money::MINOR_MAX) };
    want.before = Some(want.after);
    (want.id, want.reason, want.changed_ms) = (limit.change, None, limit.now_ms);
    assert_eq!(accounts.set_limit(&limit).await, Ok(want));
}

async fn a_limit_that_is_set_holds_for_the_next_charge_and_leaves_what_was_charged(store: Store) {
    let Store { books, accounts } = store;
    let (desk, ids) = (Desk::default(), IdSequence::default());
    let mut id = 0;
    for (limit, charged) in [(300, true), (300, false), (600, true), (0, false), (900, true)] {
        accounts.set_limit(&new(&ids, 1, "USD", limit)).await.unwrap();
        id += 1;
        let recorded = books.record_charge(&desk.charge(request(id, 1, money("USD", 300)))).await.unwrap();
        assert_eq!(matches!(recorded.outcome, Outcome::Charged { .. }), charged, "{limit}");
    }
    accounts.set_limit(&new(&ids, 1, "USD", 100)).await.unwrap();
    let found = accounts.find(user(1), None).await.unwrap();
    assert_eq!((found[0].charged, found[0].available()), (money("USD", 900), money("USD", 0)));
    assert_eq!(books.discrepancies().await, 0);
}

async fn the_last_changes_of_an_account_are_told_newest_first(Store { accounts, .. }: Store) {
    let ids = IdSequence::default();
    let mut changes = Vec::new();
    for minor in 0..15 {
        changes.insert(0, accounts.set_limit(&new(&ids, 1, "USD", minor)).await.unwrap());
        accounts.set_limit(&new(&ids, 2, "USD", minor)).await.unwrap();
        accounts.set_limit(&new(&ids, 1, "EUR", minor)).await.unwrap();
    }
    let found = accounts.find(user(1), Some(Currency::USD)).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].changes, changes[..CHANGES_MAX]);
}

async fn a_change_whose_id_is_taken_is_a_clash_that_writes_nothing(Store { accounts, .. }: Store) {
    let ids = IdSequence::default();
    let first = new(&ids, 1, "USD", 5);
    accounts.set_limit(&first).await.unwrap();
    for customer in [1, 2] {
        let taken = NewLimit { change: first.change, ..new(&ids, customer, "USD", 6) };
        assert_eq!(accounts.set_limit(&taken).await, Err(LedgerError::Conflict));
    }
    let found = accounts.find(user(1), None).await.unwrap();
    assert_eq!((found[0].limit, found[0].changes.len()), (money("USD", 5), 1));
    assert_eq!(accounts.find(user(2), None).await, Ok(Vec::new()));
}

async fn limits_set_at_once_each_tell_the_one_before(Store { accounts, .. }: Store) {
    let ids = IdSequence::default();
    let mut setting = tokio::task::JoinSet::new();
    for minor in 1..=8 {
        let (accounts, limit) = (accounts.clone(), new(&ids, 1, "USD", minor));
        setting.spawn(async move { accounts.set_limit(&limit).await.unwrap() });
    }
    let changes = setting.join_all().await;
    let minor = |limit: money::Money| limit.minor();
    let last = accounts.find(user(1), None).await.unwrap()[0].limit.minor();
    // One chain from no account to the last limit: each is the one before of one other, but the last.
    let mut before: Vec<_> = changes.iter().map(|change| change.before.map_or(0, minor)).collect();
    before.push(last);
    before.sort_unstable();
    assert_eq!(before, (0..=8).collect::<Vec<_>>());
}
