//! Rows that a newer program wrote, with a status, a reason or a currency that this one does not know: each
//! affects its payment or its account alone.

use payment::{
    adapters::db::AccountKey,
    domain::{ChargeReply, DeclineReason, Outcome},
    ports::{Accounts, Ledger},
};

use test_support::{Trial, tests};

use crate::fixtures::{Fixture, TestDatabase, execute, money, order, request, user};

pub(crate) fn trials() -> Vec<Trial> {
    tests![unknown_values_affect_their_row_alone].into()
}

async fn unknown_values_affect_their_row_alone() {
    let (database, fixture) = (TestDatabase::in_file().await, Fixture::default());
    let usd = money("USD", 100);
    for n in 1..=4 {
        database.ledger.record_charge(&fixture.charge(request(n, 7, usd))).await.unwrap();
    }
    let declined = request(5, 7, money("USD", 100_000));
    database.ledger.record_charge(&fixture.charge(declined)).await.unwrap();
    database.ledger.record_charge(&fixture.charge(request(6, 7, money("EUR", 100)))).await.unwrap();
    execute(
        &database.database,
        "UPDATE payments SET status = 'REFUNDED' WHERE order_id = 1;
         UPDATE payments SET currency = 'ABC' WHERE order_id = 2;
         UPDATE payments SET decline_reason = 'NEW_REASON' WHERE order_id = 5;
         UPDATE accounts SET currency = 'DEF' WHERE currency = 'EUR'",
    )
    .await;

    let page = database.ledger.audit_page(0, 10).await.unwrap();
    let of = |outcome: &Outcome| page.iter().filter(|audited| audited.payment.outcome == *outcome).count();
    assert_eq!((page.len(), of(&Outcome::Unspecified)), (6, 2));
    for unspecified in [1, 2] {
        // A charge again neither charges nor fails.
        let charge = request(unspecified, 7, usd);
        let payment = database.ledger.record_charge(&fixture.charge(charge)).await.unwrap();
        assert_eq!(payment.reply_to(&charge), ChargeReply::Mismatch);
        let voided = database.ledger.record_void(&fixture.void(order(unspecified))).await.unwrap();
        assert_eq!(voided.outcome, Outcome::Unspecified);
    }
    let again = database.ledger.record_charge(&fixture.charge(declined)).await.unwrap();
    assert_eq!(again.reply_to(&declined), ChargeReply::Declined(DeclineReason::Unspecified));
    let known = database.ledger.find(order(3)).await.unwrap().unwrap();
    assert!(matches!(known.outcome, Outcome::Charged { .. }));

    let accounts = database.accounts.find(user(7), None).await.unwrap();
    assert_eq!(accounts.iter().map(|account| account.charged).collect::<Vec<_>>(), [money("USD", 400)]);
    // The account that the audit finds has an unknown currency, which it names.
    let def = AccountKey { user: user(7), currency: "DEF".to_owned() };
    let unbalanced = database.ledger.unbalanced(vec![user(7)]).await.unwrap();
    assert!(unbalanced.contains(&def), "{unbalanced:?}");
    let keys = database.ledger.account_page(None, 10).await.unwrap();
    assert!(keys.iter().any(|account| account.key == def), "{keys:?}");
    let abc =
        page.iter().filter_map(|audited| audited.charged.as_ref()).find(|(key, _)| key.currency == "ABC");
    assert_eq!(abc.map(|(_, minor)| *minor), Some(100));
}
