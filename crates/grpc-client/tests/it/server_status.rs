//! Statuses that the backend itself sent, and what else came through.

use grpc_client::Failure;
use tonic::{Code, Response, Status};

use crate::{
    backend::{Backend, Handler, order},
    client::{call, channel_to, get, send},
    http2_peer::{GRPC, Wire, framed},
};

/// An encoded `GetOrderResponse { user_id: 1 }`.
const MESSAGE: &[u8] = &[8, 1];

#[tokio::test]
async fn every_code_that_a_server_answers() {
    let backend = Backend::start(Handler::new(|request| async move {
        let code = i32::try_from(request.get_ref().order_id).unwrap();
        Err(Status::with_details(Code::from(code), "said so", b"\x08\x01".to_vec().into()))
    }));
    let channel = channel_to(backend.address);
    for code in 1..=16 {
        let status = call(&channel, code).await.unwrap_err();
        assert_eq!(Failure::of(&status), Failure::ServerStatus, "{code}");
        assert_eq!((i64::from(i32::from(status.code())), status.message()), (code, "said so"));
        assert_eq!(status.details(), b"\x08\x01");
    }
}

#[tokio::test]
async fn a_status_wherever_the_protocol_lets_it_stand() {
    for place in ["head alone", "head, then an empty end", "trailers", "trailers after a message"] {
        for code in ["1", "2", "4", "14", "99", "x"] {
            let (address, _played) = Wire::playing(move |mut wire| async move {
                let stream = wire.request().await;
                let status = ("grpc-status", code);
                match place {
                    "head alone" => wire.head_only(stream, &[GRPC[0], status]).await,
                    "head, then an empty end" => {
                        wire.head(stream, &[GRPC[0], status]).await;
                        wire.end(stream).await;
                    }
                    place => {
                        wire.head(stream, GRPC).await;
                        if place == "trailers after a message" {
                            wire.data(stream, &framed(MESSAGE)).await;
                        }
                        wire.trailers(stream, &[status]).await;
                    }
                }
                wire.stall().await;
            })
            .await;
            let status = call(&channel_to(address), 1).await.unwrap_err();
            assert_eq!(Failure::of(&status), Failure::ServerStatus, "{place}: {code}");
            assert_eq!(status.code(), Code::from_bytes(code.as_bytes()), "{place}: {code}");
        }
    }
}

/// Not in the protocol, but seen: only the trailers tell how it ended.
#[tokio::test]
async fn an_ok_in_the_head_does_not_outweigh_the_trailers() {
    for (trailer, expected) in [("0", None), ("13", Some((Failure::ServerStatus, Code::Internal)))] {
        let (address, _played) = Wire::playing(move |mut wire| async move {
            let stream = wire.request().await;
            wire.head(stream, &[GRPC[0], ("grpc-status", "0")]).await;
            wire.data(stream, &framed(MESSAGE)).await;
            wire.trailers(stream, &[("grpc-status", trailer)]).await;
            wire.stall().await;
        })
        .await;
        let ended = call(&channel_to(address), 1).await.err();
        assert_eq!(ended.map(|status| (Failure::of(&status), status.code())), expected, "{trailer}");
    }
}

#[tokio::test]
async fn a_status_outlives_the_connection_it_came_by() {
    let (address, _played) = Wire::playing(|mut wire| async move {
        let stream = wire.request().await;
        wire.head_only(stream, &[GRPC[0], ("grpc-status", "14")]).await;
    })
    .await;
    let status = call(&channel_to(address), 1).await.unwrap_err();
    assert_eq!((Failure::of(&status), status.code()), (Failure::ServerStatus, Code::Unavailable));
}

#[tokio::test]
async fn messages_and_metadata_go_through_in_both_directions() {
    let backend = Backend::start(Handler::new(|request| async move {
        let sent = request.metadata().get("x-request-id").unwrap().clone();
        let mut response = Response::new(order(request.get_ref().order_id));
        response.metadata_mut().insert("x-seen", sent);
        Ok(response)
    }));
    let mut request = get(i64::MAX);
    request.metadata_mut().insert("x-request-id", "6f1d9f0a".parse().unwrap());
    let response = send(&channel_to(backend.address), request).await.unwrap();
    assert_eq!(response.metadata().get("x-seen").unwrap(), "6f1d9f0a");
    assert_eq!(response.into_inner().order_id, i64::MAX);
}

#[tokio::test]
async fn an_answer_of_many_frames_is_put_together() {
    let long = "x".repeat(3 * 1024 * 1024);
    let backend = {
        let long = long.clone();
        Backend::start(Handler::new(move |_| {
            let answer = proto::order::GetOrderResponse { decline_reason: long.clone(), ..order(1) };
            async move { Ok(Response::new(answer)) }
        }))
    };
    assert_eq!(call(&channel_to(backend.address), 1).await.unwrap().into_inner().decline_reason, long);
}
