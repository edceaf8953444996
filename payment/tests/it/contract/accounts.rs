//! The contract of the `Accounts` port.

use money::Currency;
use payment::{
    domain::{ChangeId, LimitChange, Outcome},
    ports::{CHANGES_MAX, LedgerError, NewLimit},
};
use service_kit::ids::{IdSequence, now_ms};

use super::{ContractTest, contract, stores::Store};
use crate::fixtures::{Fixture, money, request, user};

pub(crate) const CONTRACT: &[(&str, ContractTest)] = contract![
    find_returns_limit_and_charged_amount_by_currency,
    setting_a_limit_opens_the_account_and_records_every_field,
    a_new_limit_applies_to_the_next_charge_and_keeps_the_charged_amount,
    find_returns_the_last_changes_newest_first,
    a_taken_change_id_is_a_conflict_and_writes_nothing,
    concurrent_limit_changes_form_a_chain,
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

async fn find_returns_limit_and_charged_amount_by_currency(store: Store) {
    let fixture = Fixture::default();
    assert_eq!(store.accounts.find(user(1), None).await, Ok(Vec::new()));
    for (id, total) in [(1, money("USD", 300)), (2, money("EUR", 20))] {
        store.ledger.record_charge(&fixture.charge(request(id, 1, total))).await.unwrap();
    }
    let found = store.accounts.find(user(1), None).await.unwrap();
    let balances: Vec<_> = found.iter().map(|account| (account.limit, account.charged)).collect();
    let limit = |code| money(code, 10_000);
    assert_eq!(balances, [(limit("EUR"), money("EUR", 20)), (limit("USD"), money("USD", 300))]);
    assert!(found.iter().all(|account| account.user == user(1) && account.changes.is_empty()));
    assert_eq!(store.accounts.find(user(1), Some(Currency::USD)).await.unwrap(), found[1..]);
    assert_eq!(store.accounts.find(user(2), None).await, Ok(Vec::new()));
}

async fn setting_a_limit_opens_the_account_and_records_every_field(store: Store) {
    let ids = IdSequence::default();
    let mut limit = new(&ids, i64::MAX, "CLF", money::Money::MINOR_MAX);
    limit.reason = Some("\"a friend\"; DROP TABLE accounts -- ?".parse().unwrap());
    let change = store.accounts.set_limit(&limit).await.unwrap();
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
    let found = store.accounts.find(limit.user, None).await.unwrap();
    assert_eq!((found[0].limit, found[0].charged), (limit.limit, money("CLF", 0)));
    assert_eq!(found[0].changes, [change]);
    // Setting the same limit again is a change like any other.
    limit = NewLimit { reason: None, ..new(&ids, i64::MAX, "CLF", money::Money::MINOR_MAX) };
    want.before = Some(want.after);
    (want.id, want.reason, want.changed_ms) = (limit.change, None, limit.now_ms);
    assert_eq!(store.accounts.set_limit(&limit).await, Ok(want));
}

async fn a_new_limit_applies_to_the_next_charge_and_keeps_the_charged_amount(store: Store) {
    let (fixture, ids) = (Fixture::default(), IdSequence::default());
    let mut id = 0;
    for (limit, charged) in [(300, true), (300, false), (600, true), (0, false), (900, true)] {
        store.accounts.set_limit(&new(&ids, 1, "USD", limit)).await.unwrap();
        id += 1;
        let recorded =
            store.ledger.record_charge(&fixture.charge(request(id, 1, money("USD", 300)))).await.unwrap();
        assert_eq!(matches!(recorded.outcome, Outcome::Charged { .. }), charged, "{limit}");
    }
    store.accounts.set_limit(&new(&ids, 1, "USD", 100)).await.unwrap();
    let found = store.accounts.find(user(1), None).await.unwrap();
    assert_eq!((found[0].charged, found[0].available()), (money("USD", 900), money("USD", 0)));
    assert_eq!(store.discrepancies().await, 0);
}

async fn find_returns_the_last_changes_newest_first(store: Store) {
    let ids = IdSequence::default();
    let mut changes = Vec::new();
    for minor in 0..15 {
        changes.insert(0, store.accounts.set_limit(&new(&ids, 1, "USD", minor)).await.unwrap());
        store.accounts.set_limit(&new(&ids, 2, "USD", minor)).await.unwrap();
        store.accounts.set_limit(&new(&ids, 1, "EUR", minor)).await.unwrap();
    }
    let found = store.accounts.find(user(1), Some(Currency::USD)).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].changes, changes[..CHANGES_MAX]);
}

async fn a_taken_change_id_is_a_conflict_and_writes_nothing(store: Store) {
    let ids = IdSequence::default();
    let first = new(&ids, 1, "USD", 5);
    store.accounts.set_limit(&first).await.unwrap();
    for customer in [1, 2] {
        let taken = NewLimit { change: first.change, ..new(&ids, customer, "USD", 6) };
        assert_eq!(store.accounts.set_limit(&taken).await, Err(LedgerError::Conflict));
    }
    let found = store.accounts.find(user(1), None).await.unwrap();
    assert_eq!((found[0].limit, found[0].changes.len()), (money("USD", 5), 1));
    assert_eq!(store.accounts.find(user(2), None).await, Ok(Vec::new()));
}

async fn concurrent_limit_changes_form_a_chain(store: Store) {
    let ids = IdSequence::default();
    let mut setting = tokio::task::JoinSet::new();
    for minor in 1..=8 {
        let (accounts, limit) = (store.accounts.clone(), new(&ids, 1, "USD", minor));
        setting.spawn(async move { accounts.set_limit(&limit).await.unwrap() });
    }
    let changes = setting.join_all().await;
    let minor = |limit: money::Money| limit.minor();
    let last = store.accounts.find(user(1), None).await.unwrap()[0].limit.minor();
    // The changes form one chain from no account to the last limit: each limit but the last precedes exactly
    // one other.
    let mut before: Vec<_> = changes.iter().map(|change| change.before.map_or(0, minor)).collect();
    before.push(last);
    before.sort_unstable();
    assert_eq!(before, (0..=8).collect::<Vec<_>>());
}
