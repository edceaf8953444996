//! Localized messages: which one becomes `detail`, and the headers of the choice.

use tonic::Code;

use super::{
    CODES, RequestFacts, accepting, codes::with_delay, error_info, localized, render_counted, render_status,
    requests, status,
};
use crate::problem::context::DropReason;

#[tokio::test]
async fn a_message_in_an_accepted_language_becomes_the_detail_with_every_code() {
    for code in CODES {
        let details = [localized("fr", "en fran\u{e7}ais"), localized("de-CH", "z\u{fc}ri")];
        let failed = status(code, "in English", &details);
        for request in requests() {
            let request =
                RequestFacts { accept_language: accepting("de, en;q=0.5").accept_language, ..request };
            let rendered = render_status(&failed, &request).await;
            assert_eq!(rendered.body["detail"], "z\u{fc}ri");
            let headers = [("content-language", "de-CH"), ("vary", "accept-language")];
            assert_eq!(rendered.further_headers(), with_delay(code, &headers), "{code:?}");
        }
    }
}

#[tokio::test]
async fn the_preferred_language_decides_and_the_response_varies_by_it() {
    let details = [localized("de", "deutsch"), localized("fr-CH", "français"), localized("es", "español")];
    let failed = status(Code::NotFound, "english", &details);
    for (accept, detail, language) in [
        (Some("de"), "deutsch", Some("de")),
        (Some("DE-at"), "deutsch", Some("de")),
        (Some("de;q=0.5, fr;q=0.8"), "français", Some("fr-CH")),
        (Some("es, fr"), "español", Some("es")),
        (Some("en, es;q=0.1"), "español", Some("es")),
        (Some("it, ,;q=x, de;q=0.001"), "deutsch", Some("de")),
        (Some("en"), "english", None),
        (Some("*"), "english", None),
        (Some("de;q=0"), "english", None),
        (Some(""), "english", None),
        (None, "english", None),
    ] {
        let request = accept.map(accepting).unwrap_or_default();
        let rendered = render_status(&failed, &request).await;
        assert_eq!(rendered.body["detail"], detail, "{accept:?}");
        assert_eq!(rendered.header("content-language"), language, "{accept:?}");
        assert_eq!(rendered.header("vary"), Some("accept-language"), "{accept:?}");
    }
    let plain = render_status(&status(Code::NotFound, "gone", &[]), &accepting("de")).await;
    assert_eq!(plain.header("vary"), None);
}

#[tokio::test]
async fn the_problem_of_a_reason_is_localized_too() {
    let details = [error_info("order", "PAYMENT_DECLINED", &[]), localized("de", "Zahlung abgelehnt")];
    let declined = status(Code::InvalidArgument, "order creation failed", &details);
    let rendered = render_status(&declined, &accepting("de")).await;
    assert_eq!((rendered.status.as_u16(), &rendered.body["detail"]), (402, &"Zahlung abgelehnt".into()));
}

#[tokio::test]
async fn a_message_with_an_invalid_locale_is_left_out() {
    for locale in ["", "de\r\nSet-Cookie: canary=1", "de_DE", "d\u{e9}", "de canary", "*"] {
        let details = [localized(locale, "canary")];
        let (_, context) = render_counted(Code::NotFound, &details).await;
        assert_eq!(context.dropped_count(DropReason::Malformed), 1, "{locale:?}");
        let failed = status(Code::NotFound, "english", &details);
        let rendered = render_status(&failed, &accepting("de, *")).await;
        assert_eq!((&rendered.body["detail"], rendered.further_headers()), (&"english".into(), vec![]));
        assert!(!rendered.everything().contains("canary"), "{locale:?}");
    }
}
