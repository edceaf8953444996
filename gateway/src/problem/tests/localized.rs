//! Localized messages: what becomes of `detail`, and the headers that say so.

use serde_json::json;
use tonic::Code;

use super::{CODES, RequestFacts, accepting, localized, status, told, told_with_counts};
use crate::problem::context::Why;

#[tokio::test]
async fn a_message_in_an_accepted_language_becomes_the_detail_with_every_code() {
    for code in CODES {
        let failed = status(
            code,
            "in English",
            &[localized("fr", "en fran\u{e7}ais"), localized("de-CH", "z\u{fc}ri")],
        );
        let seen = told(&failed, &accepting("de, en;q=0.5")).await;
        assert_eq!(seen.body["detail"], "z\u{fc}ri");
        assert_eq!(
            (seen.header("content-language"), seen.header("vary")),
            (Some("de-CH"), Some("accept-language"))
        );
    }
}

#[tokio::test]
async fn without_an_accepted_language_the_detail_stays_and_caches_still_know_what_it_depends_on() {
    let failed = status(Code::NotFound, "gone", &[localized("de", "weg")]);
    for asked in [RequestFacts::default(), accepting("en"), accepting("*"), accepting("de;q=0")] {
        let seen = told(&failed, &asked).await;
        assert_eq!(seen.body["detail"], json!("gone"));
        assert_eq!((seen.header("content-language"), seen.header("vary")), (None, Some("accept-language")));
    }
    let plain = told(&status(Code::NotFound, "gone", &[]), &accepting("de")).await;
    assert_eq!(plain.header("vary"), None);
}

#[tokio::test]
async fn a_locale_that_is_none_is_left_out() {
    for locale in ["", "de\r\nSet-Cookie: a=b", "de_DE", "d\u{e9}"] {
        let (seen, site) = told_with_counts(Code::NotFound, &[localized(locale, "weg")]).await;
        assert_eq!((seen.header("vary"), seen.header("set-cookie")), (None, None));
        assert_eq!(site.dropped(Why::Malformed), 1, "{locale:?}");
    }
}
