//! Localized messages: which one a caller can read, and the headers that say so.

use tonic::Code;

use super::{
    ALL_OPERATIONS, MappingFixture, Operation,
    codes::CODES,
    fixtures::{error_info, localized},
    status,
};

#[tokio::test]
async fn a_message_in_an_accepted_language_becomes_the_detail_with_every_code() {
    let fixture = MappingFixture::start().await;
    for told in CODES {
        let details = [localized("fr", "en français"), localized("de-CH", "uf Züridütsch")];
        let failed = status(told.code, "in English", &details);
        for operation in ALL_OPERATIONS {
            let response =
                fixture.told_with(operation, &[("accept-language", "de, en;q=0.5")], &failed).await;
            assert_eq!(response.problem()["detail"], "uf Züridütsch", "{:?}", told.code);
            let said = [("content-language", "de-CH"), ("vary", "accept-language")];
            assert_eq!(response.further_headers(), said, "{:?}", told.code);
        }
    }
}

#[tokio::test]
async fn the_best_liked_language_is_chosen() {
    let fixture = MappingFixture::start().await;
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
        let response = fixture.told_with(Operation::Get, &[("accept-language", accept)], &failed).await;
        assert_eq!(response.problem()["detail"], detail, "{accept:?}");
        assert_eq!(response.header("content-language"), language, "{accept:?}");
        assert_eq!(response.header("vary"), "accept-language", "{accept:?}");
    }
    let unasked = fixture.told(Operation::Get, &failed).await;
    assert_eq!(
        (&unasked.problem()["detail"], unasked.header("vary")),
        (&"english".into(), "accept-language")
    );
}

#[tokio::test]
async fn an_outcome_can_be_localized_too() {
    let fixture = MappingFixture::start().await;
    let details = [error_info("order", "PAYMENT_DECLINED", &[]), localized("de", "Zahlung abgelehnt")];
    let declined = status(Code::InvalidArgument, "order creation failed", &details);
    let response = fixture.told_with(Operation::Create, &[("accept-language", "de")], &declined).await;
    assert_eq!((response.status.as_u16(), &response.problem()["detail"]), (402, &"Zahlung abgelehnt".into()));
}

#[tokio::test]
async fn a_locale_that_is_none_reaches_no_header() {
    let fixture = MappingFixture::start().await;
    for locale in ["", "de\r\nSet-Cookie: canary=1", "de canary", "d\u{e9}", "*"] {
        let failed = status(Code::NotFound, "english", &[localized(locale, "canary")]);
        let response = fixture.told_with(Operation::Get, &[("accept-language", "de, *")], &failed).await;
        assert_eq!(response.problem()["detail"], "english", "{locale:?}");
        assert!(!response.shown().contains("canary"), "{locale:?}");
    }
}
