//! Localized messages: which one a caller can read, and the headers that say so.

use tonic::Code;

use super::{
    Ask, EVERY_ASK, Rig,
    codes::CODES,
    given::{error_info, localized},
    status,
};

#[tokio::test]
async fn a_message_in_an_accepted_language_becomes_the_detail_with_every_code() {
    let rig = Rig::start().await;
    for told in CODES {
        let details = [localized("fr", "en français"), localized("de-CH", "uf Züridütsch")];
        let failed = status(told.code, "in English", &details);
        for ask in EVERY_ASK {
            let answer = rig.told_with(ask, &[("accept-language", "de, en;q=0.5")], &failed).await;
            assert_eq!(answer.problem()["detail"], "uf Züridütsch", "{:?}", told.code);
            let said = [("content-language", "de-CH"), ("vary", "accept-language")];
            assert_eq!(answer.further_headers(), said, "{:?}", told.code);
        }
    }
}

#[tokio::test]
async fn the_best_liked_language_is_chosen() {
    let rig = Rig::start().await;
    let details = [localized("de", "deutsch"), localized("fr-CH", "français"), localized("es", "español")];
    let failed = status(Code::NotFound, "english", &details);
    for (accept, detail, language) in [
        ("de", "deutsch", "de"),
        ("DE-at", "deutsch", "de"),
        ("de;q=0.5, fr;q=0.8", "français", "fr-CH"),
        ("es, fr", "español", "es"),
        ("en, es;q=0.1", "español", "es"),
        ("it, ,;q=x, de;q=0.001", "deutsch", "de"),
        ("en", "english", ""),
        ("*", "english", ""),
        ("de;q=0", "english", ""),
        ("", "english", ""),
    ] {
        let answer = rig.told_with(Ask::Get, &[("accept-language", accept)], &failed).await;
        assert_eq!(answer.problem()["detail"], detail, "{accept:?}");
        assert_eq!(answer.header("content-language"), language, "{accept:?}");
        assert_eq!(answer.header("vary"), "accept-language", "{accept:?}");
    }
    let unasked = rig.told(Ask::Get, &failed).await;
    assert_eq!(
        (&unasked.problem()["detail"], unasked.header("vary")),
        (&"english".into(), "accept-language")
    );
}

#[tokio::test]
async fn an_outcome_can_be_localized_too() {
    let rig = Rig::start().await;
    let details = [error_info("order", "PAYMENT_DECLINED", &[]), localized("de", "Zahlung abgelehnt")];
    let declined = status(Code::InvalidArgument, "order creation failed", &details);
    let answer = rig.told_with(Ask::Post, &[("accept-language", "de")], &declined).await;
    assert_eq!((answer.status.as_u16(), &answer.problem()["detail"]), (402, &"Zahlung abgelehnt".into()));
}

#[tokio::test]
async fn a_locale_that_is_none_reaches_no_header() {
    let rig = Rig::start().await;
    for locale in ["", "de\r\nSet-Cookie: canary=1", "de canary", "d\u{e9}", "*"] {
        let failed = status(Code::NotFound, "english", &[localized(locale, "canary")]);
        let answer = rig.told_with(Ask::Get, &[("accept-language", "de, *")], &failed).await;
        assert_eq!(answer.problem()["detail"], "english", "{locale:?}");
        assert!(!answer.shown().contains("canary"), "{locale:?}");
    }
}
