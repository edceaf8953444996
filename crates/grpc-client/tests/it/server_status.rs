//! Statuses that the server itself sent, and the data of successful calls.

use grpc_client::Failure;
use tonic::{Code, Response, Status};

use crate::{
    backend::{Backend, Handler, order},
    client::{call, channel_to, failure_and_code, get, result_of, send},
    http2_peer::{
        Frame::{Close, Data, End, Headers, Trailers, TrailersOnly},
        GRPC, OK, framed,
    },
};

/// Also CANCELLED and DEADLINE_EXCEEDED, before the client's own deadline.
#[tokio::test]
async fn every_code_of_a_server_is_its_status() {
    let backend = Backend::start(Handler::new(|request| async move {
        let code = i32::try_from(request.get_ref().order_id).unwrap();
        Err(Status::with_details(Code::from(code), "Timeout expired", b"\x08\x01".to_vec().into()))
    }));
    let channel = channel_to(backend.address);
    for code in 1..=16 {
        let status = call(&channel, code).await.unwrap_err();
        assert_eq!(Failure::of(&status), Failure::ServerStatus, "{code}");
        assert_eq!((i64::from(i32::from(status.code())), status.message()), (code, "Timeout expired"));
        assert_eq!(status.details(), b"\x08\x01");
    }
}

#[tokio::test]
async fn status_is_found_in_headers_and_trailers() {
    for (code, expected) in [
        ("1", Code::Cancelled),
        ("2", Code::Unknown),
        ("4", Code::DeadlineExceeded),
        ("14", Code::Unavailable),
        ("014", Code::Unavailable),
        ("99", Code::Unknown),
    ] {
        let status = ("grpc-status", code);
        for frames in [
            vec![TrailersOnly(vec![GRPC, status])],
            vec![Headers(vec![GRPC, status]), End],
            vec![Headers(vec![GRPC]), Trailers(vec![status])],
            vec![Headers(vec![GRPC]), Data(framed(&[8, 1])), Trailers(vec![status])],
            // The connection is lost after the status.
            vec![TrailersOnly(vec![GRPC, status]), Close],
        ] {
            let expected = (Failure::ServerStatus, expected);
            assert_eq!(failure_and_code(result_of(&frames).await), expected, "{frames:?}");
        }
    }
}

/// The protocol does not allow it, but some servers send it: only the trailers hold the final status.
#[tokio::test]
async fn status_in_trailers_outweighs_ok_in_headers() {
    for (code, expected) in [("0", None), ("13", Some((Failure::ServerStatus, Code::Internal)))] {
        let trailers = Trailers(vec![("grpc-status", code)]);
        let result = result_of(&[Headers(vec![GRPC, OK]), Data(framed(&[8, 1])), trailers]).await;
        assert_eq!(result.err().map(|status| (Failure::of(&status), status.code())), expected, "{code}");
    }
}

#[tokio::test]
async fn messages_and_metadata_pass_in_both_directions() {
    let backend = Backend::start(Handler::new(|request| async move {
        let id = request.metadata().get("x-request-id").unwrap().clone();
        let mut response = Response::new(order(request.get_ref().order_id));
        response.metadata_mut().insert("x-seen", id);
        Ok(response)
    }));
    let mut request = get(i64::MAX);
    request.metadata_mut().insert("x-request-id", "6f1d9f0a".parse().unwrap());
    let response = send(&channel_to(backend.address), request).await.unwrap();
    assert_eq!(response.metadata().get("x-seen").unwrap(), "6f1d9f0a");
    assert_eq!(response.into_inner().order_id, i64::MAX);
}

#[tokio::test]
async fn response_of_many_frames_is_complete() {
    let long = "x".repeat(3 * 1024 * 1024);
    let response = proto::order::GetOrderResponse { decline_reason: long.clone(), ..order(1) };
    let backend =
        Backend::start(Handler::new(move |_| std::future::ready(Ok(Response::new(response.clone())))));
    assert_eq!(call(&channel_to(backend.address), 1).await.unwrap().into_inner().decline_reason, long);
}
