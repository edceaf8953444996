//! Reflection lists the services of the server in development, and does not exist in production.

use service_kit::env::Mode;
use tonic::{Code, Status};
use tonic_reflection::pb::{v1, v1alpha};

use crate::serving::{Handler, Serving};

/// Names of the services that reflection lists.
async fn listed(serving: &Serving) -> Result<Vec<String>, Status> {
    use v1::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
    };
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut client = ServerReflectionClient::new(serving.connect().await);
    let mut responses = client.server_reflection_info(once(request)).await?.into_inner();
    let Some(MessageResponse::ListServicesResponse(list)) =
        responses.message().await?.unwrap().message_response
    else {
        panic!("no list of services");
    };
    Ok(list.service.into_iter().map(|service| service.name).collect())
}

/// As [`listed`], by the version `v1alpha`, which older tools use.
async fn listed_by_v1alpha(serving: &Serving) -> Result<Vec<String>, Status> {
    use v1alpha::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
    };
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut client = ServerReflectionClient::new(serving.connect().await);
    let mut responses = client.server_reflection_info(once(request)).await?.into_inner();
    let Some(MessageResponse::ListServicesResponse(list)) =
        responses.message().await?.unwrap().message_response
    else {
        panic!("no list of services");
    };
    Ok(list.service.into_iter().map(|service| service.name).collect())
}

fn once<T: Send + 'static>(request: T) -> impl futures_util::Stream<Item = T> + Send + 'static {
    futures_util::stream::once(async { request })
}

#[tokio::test]
async fn development_lists_the_services_of_the_server() {
    let serving = Serving::start_in(Mode::Development, Handler::echo()).await;
    assert_eq!(listed(&serving).await.unwrap(), ["Order", "grpc.reflection.v1.ServerReflection"]);
    let by_v1alpha = listed_by_v1alpha(&serving).await.unwrap();
    assert_eq!(by_v1alpha, ["Order", "grpc.reflection.v1alpha.ServerReflection"]);
}

#[tokio::test]
async fn production_has_no_reflection() {
    let serving = Serving::start_in(Mode::Production, Handler::echo()).await;
    assert_eq!(listed(&serving).await.unwrap_err().code(), Code::Unimplemented);
    assert_eq!(listed_by_v1alpha(&serving).await.unwrap_err().code(), Code::Unimplemented);
}
