//! A panic of a handler fails its own call and no other.

use std::sync::Arc;

use tokio::sync::Notify;
use tonic::Code;

use crate::serving::{Handler, Serving, get, order};

#[tokio::test]
async fn a_panic_is_an_internal_error_without_text_and_other_calls_go_on() {
    let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let handler = {
        let (entered, release) = (entered.clone(), release.clone());
        Handler::new(move |request| {
            let (entered, release) = (entered.clone(), release.clone());
            async move {
                assert_ne!(request.get_ref().order_id, 13, "a secret of ours");
                entered.notify_one();
                release.notified().await;
                Ok(order(request.get_ref().order_id))
            }
        })
    };
    let serving = Serving::start(handler).await;
    let client = serving.client().await;
    let other_call = {
        let mut client = client.clone();
        tokio::spawn(async move { client.get(get(1)).await })
    };
    entered.notified().await;

    let mut panicking = client.clone();
    let status = panicking.get(get(13)).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Internal, "internal error"));
    assert!(!format!("{status:?}").contains("secret"));
    release.notify_one();
    assert_eq!(other_call.await.unwrap().unwrap().into_inner().order_id, 1);
    assert_eq!(
        serving
            .metric(
                r#"grpc_server_call_duration_seconds_count{grpc_method="Order/Get",grpc_status="INTERNAL"}"#
            )
            .await,
        1
    );
    assert_eq!(serving.metric("grpc_server_in_flight").await, 0);
}
