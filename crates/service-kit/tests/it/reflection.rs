//! Reflection of the services of the server, of health and of the details of statuses; in development alone.

use std::collections::BTreeSet;

use prost::Message;
use prost_types::FileDescriptorProto;
use service_kit::env::Mode;
use tonic::{Code, Status};
use tonic_reflection::pb::{v1, v1alpha};
use v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use crate::serving::{Handler, Serving};

const SERVICES: [&str; 4] = [
    "Order",
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
];

/// The answers to `queries`, in one stream.
async fn answers(serving: &Serving, queries: Vec<MessageRequest>) -> Result<Vec<MessageResponse>, Status> {
    let requests = queries
        .into_iter()
        .map(|query| ServerReflectionRequest { host: String::new(), message_request: Some(query) });
    let requests = futures_util::stream::iter(requests.collect::<Vec<_>>());
    let mut client = ServerReflectionClient::new(serving.connect().await);
    let mut responses = client.server_reflection_info(requests).await?.into_inner();
    let mut answers = Vec::new();
    while let Some(response) = responses.message().await? {
        answers.push(response.message_response.unwrap());
    }
    Ok(answers)
}

/// Names of the services that reflection lists.
async fn listed(serving: &Serving) -> Result<Vec<String>, Status> {
    let answers = answers(serving, vec![MessageRequest::ListServices(String::new())]).await?;
    let [MessageResponse::ListServicesResponse(list)] = &answers[..] else { panic!("{answers:?}") };
    Ok(list.service.iter().map(|service| service.name.clone()).collect())
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
    assert_eq!(listed(&serving).await.unwrap(), SERVICES);
    assert_eq!(listed_by_v1alpha(&serving).await.unwrap(), SERVICES);
}

/// A file that a query found.
fn file(answer: &MessageResponse) -> FileDescriptorProto {
    let MessageResponse::FileDescriptorResponse(response) = answer else { panic!("{answer:?}") };
    let [raw] = &response.file_descriptor_proto[..] else { panic!("not one file") };
    FileDescriptorProto::decode(&raw[..]).unwrap()
}

#[tokio::test]
async fn every_symbol_and_import_is_found() {
    let serving = Serving::start_in(Mode::Development, Handler::echo()).await;
    let symbols = [
        "Order.Create",
        "CreateOrderRequest.user_id",
        "ORDER_STATUS_PAID",
        "OrderStatus.ORDER_STATUS_PAID",
        "google.type.Money",
        "grpc.health.v1.HealthListResponse",
        "grpc.health.v1.HealthCheckResponse.ServingStatus",
        "google.rpc.BadRequest.FieldViolation",
        "google.rpc.ErrorInfo",
        "google.rpc.Status",
    ];
    let queries =
        symbols.iter().chain(&SERVICES).map(|name| MessageRequest::FileContainingSymbol((*name).to_owned()));
    let mut files: Vec<_> = answers(&serving, queries.collect()).await.unwrap().iter().map(file).collect();
    let mut known = BTreeSet::new();
    while let Some(next) = files.pop() {
        let imports = next.dependency.iter().filter(|name| known.insert((*name).clone()));
        let queries = imports.map(|name| MessageRequest::FileByFilename(name.clone())).collect();
        files.extend(answers(&serving, queries).await.unwrap().iter().map(file));
    }
    assert!(known.contains("google/protobuf/any.proto"), "{known:?}");
}

#[tokio::test]
async fn a_query_without_a_result_is_an_error_response_and_the_stream_goes_on() {
    let serving = Serving::start_in(Mode::Development, Handler::echo()).await;
    let extension =
        v1::ExtensionRequest { containing_type: "google.rpc.Status".to_owned(), extension_number: 4 };
    let name = || "no.such.Thing".to_owned();
    let queries = vec![
        MessageRequest::FileContainingSymbol(name()),
        MessageRequest::FileByFilename(name()),
        MessageRequest::FileContainingExtension(extension),
        MessageRequest::AllExtensionNumbersOfType(name()),
        MessageRequest::AllExtensionNumbersOfType("google.rpc.Status".to_owned()),
    ];
    let answers = answers(&serving, queries).await.unwrap();
    for answer in &answers[..4] {
        let MessageResponse::ErrorResponse(error) = answer else { panic!("{answer:?}") };
        assert_eq!(error.error_code, Code::NotFound as i32);
    }
    let MessageResponse::AllExtensionNumbersResponse(numbers) = &answers[4] else { panic!("{answers:?}") };
    assert!(numbers.extension_number.is_empty());
}

#[tokio::test]
async fn production_has_no_reflection() {
    let serving = Serving::start_in(Mode::Production, Handler::echo()).await;
    assert_eq!(listed(&serving).await.unwrap_err().code(), Code::Unimplemented);
    assert_eq!(listed_by_v1alpha(&serving).await.unwrap_err().code(), Code::Unimplemented);
}
