//! Calls are counted by method and code; clients cannot create new label values.

use std::sync::Arc;

use proto::order::{ListOrdersRequest, order_client::OrderClient};
use tokio::sync::Notify;
use tonic::Code;

use crate::serving::{Handler, Serving, eventually, get, soon};

#[tokio::test]
async fn calls_are_counted_by_method_and_code() {
    let serving = Serving::start(Handler::echo()).await;
    let mut client = serving.client().await;
    for id in [1, 2, 0] {
        let _ = client.get(get(id)).await;
    }
    assert_eq!(client.list(ListOrdersRequest::default()).await.unwrap_err().code(), Code::PermissionDenied);
    for (sample, expected) in [
        (r#"grpc_server_call_duration_seconds_count{grpc_method="Order/Get",grpc_status="OK"}"#, 2),
        (r#"grpc_server_call_duration_seconds_count{grpc_method="Order/Get",grpc_status="NOT_FOUND"}"#, 1),
        (
            r#"grpc_server_call_duration_seconds_count{grpc_method="Order/List",grpc_status="PERMISSION_DENIED"}"#,
            1,
        ),
        ("grpc_server_in_flight", 0),
        ("grpc_server_refused_total", 0),
    ] {
        assert_eq!(serving.metric(sample).await, expected, "{sample}");
    }
}

#[tokio::test]
async fn a_call_whose_client_disconnects_counts_as_cancelled() {
    let entered = Arc::new(Notify::new());
    let handler = {
        let entered = entered.clone();
        Handler::new(move |_| {
            entered.notify_one();
            std::future::pending()
        })
    };
    let serving = Serving::start(handler).await;
    let mut client = serving.client().await;
    let call = tokio::spawn(async move { client.get(get(1)).await });
    soon(entered.notified()).await;
    call.abort();
    let sample =
        r#"grpc_server_call_duration_seconds_count{grpc_method="Order/Get",grpc_status="CANCELLED"}"#;
    eventually("the call is counted", async || serving.metric(sample).await == 1).await;
    eventually("its permit is free", async || serving.metric("grpc_server_in_flight").await == 0).await;
}

#[tokio::test]
async fn unknown_methods_share_one_label() {
    let serving = Serving::start(Handler::echo()).await;
    let channel = serving.connect().await;
    for number in 0..20 {
        let origin = format!("http://{}/made-up-{number}", serving.address).parse().unwrap();
        let status = OrderClient::with_origin(channel.clone(), origin).get(get(1)).await.unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented);
    }
    assert_eq!(
        serving
            .metric(
                r#"grpc_server_call_duration_seconds_count{grpc_method="other",grpc_status="UNIMPLEMENTED"}"#
            )
            .await,
        20
    );
    assert!(!serving.admin("/metrics").await.1.contains("made-up"));
}
