//! The pages under `/problems/`.

use axum::{Router, body::Body};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use tower::ServiceExt;

use crate::problem::{
    pages::router,
    registry::{TYPES, TypeKey},
};

async fn get(path: &str) -> (StatusCode, HeaderMap, String) {
    let pages: Router = router();
    let response = pages.oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
    let (head, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    (head.status, head.headers, String::from_utf8(bytes.to_vec()).unwrap())
}

#[tokio::test]
async fn every_type_has_a_page_and_the_index_links_to_it() {
    let (status, _, index) = get("/problems/").await;
    assert_eq!(status, StatusCode::OK);
    for kind in TYPES {
        assert!(index.contains(&format!("<a href=\"{}\">", kind.slug)), "{}", kind.slug);
        let (status, headers, html) = get(&format!("/problems/{}", kind.slug)).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(headers["content-type"], "text/html; charset=utf-8");
        assert!(html.contains(&format!("<h1>{}</h1>", kind.title)), "{html}");
        for status in kind.statuses {
            assert!(html.contains(&format!("&quot;status&quot;: {}", status.http.as_u16())), "{html}");
        }
        for link in ["<a href=\"../docs\">Orders API</a>", "<a href=\"./\">Problem types</a>"] {
            assert!(html.contains(link) && index.contains(link), "{html}");
        }
        assert!(html.contains(&format!("<title>{} - Orders API</title>", kind.title)), "{html}");
        if let TypeKey::Reason { reason, .. } = kind.key {
            assert!(html.contains(reason));
        }
    }
}

#[tokio::test]
async fn a_page_needs_no_script_and_no_other_host() {
    for path in ["/problems/", "/problems/payment-declined"] {
        let (_, headers, html) = get(path).await;
        assert!(headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
        for forbidden in ["<script", "style=", "<style", "://", " on"] {
            let tags =
                html.split('<').filter_map(|part| part.split('>').next()).collect::<Vec<_>>().join("\n");
            assert!(!tags.contains(forbidden) && !html.contains("<script"), "{forbidden} in {html}");
        }
    }
    let (status, headers, css) = get("/problems/page.css").await;
    assert_eq!(
        (status, headers["content-type"].to_str().unwrap()),
        (StatusCode::OK, "text/css; charset=utf-8")
    );
    assert!(!css.contains("url("));
}

#[tokio::test]
async fn an_unknown_slug_is_a_problem_and_the_bare_path_redirects_to_the_index() {
    for path in ["/problems/no-such-type", "/problems/%3Cscript%3E", "/problems/INTERNAL"] {
        let (status, headers, body) = get(path).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert_eq!(headers["content-type"], "application/problem+json");
        assert!(!body.contains("script"));
    }
    let (status, headers, _) = get("/problems").await;
    assert_eq!(
        (status, headers["location"].to_str().unwrap()),
        (StatusCode::PERMANENT_REDIRECT, "problems/")
    );
}
