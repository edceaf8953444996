//! Server reflection (gRPC, reflection.md), versions `v1` and `v1alpha`, whose messages are the same. A query
//! without a result is an error response, and the stream goes on.

use std::{
    collections::{BTreeSet, HashMap},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::stream::{Stream, StreamExt};
use http::Uri;
use prost::{DecodeError, Message, bytes::Bytes};
use prost_types::{DescriptorProto, EnumDescriptorProto, FileDescriptorProto};
use tonic::{Code, Request, Response, Status, Streaming, body::Body, server::NamedService, service::Routes};
use tonic_reflection::{
    pb::{
        v1::{
            self, ErrorResponse, ExtensionNumberResponse, FileDescriptorResponse, ListServiceResponse,
            ServerReflectionRequest, ServerReflectionResponse, ServiceResponse,
            server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
        },
        v1alpha,
    },
    server::v1::{ServerReflection, ServerReflectionServer},
};
use tower::Service;

/// Health, the details of statuses (`google.rpc`), and reflection itself.
const SHARED_DESCRIPTOR_SETS: [&[u8]; 4] = [
    super::health::DESCRIPTOR_SET,
    tonic_types::pb::FILE_DESCRIPTOR_SET,
    v1::FILE_DESCRIPTOR_SET,
    v1alpha::FILE_DESCRIPTOR_SET,
];

/// `routes`, with reflection of the files of `descriptor_set` and of [`SHARED_DESCRIPTOR_SETS`].
///
/// # Errors
///
/// `descriptor_set` does not decode.
pub(super) fn add(routes: Routes, descriptor_set: &[u8]) -> Result<Routes, DecodeError> {
    let mut index = Index::default();
    for set in SHARED_DESCRIPTOR_SETS.iter().chain([&descriptor_set]) {
        index.add_set(set)?;
    }
    let server = ServerReflectionServer::new(Reflection(Arc::new(index)));
    Ok(routes.add_service(server.clone()).add_service(V1Alpha(server)))
}

/// Where the symbols of a server are declared.
#[derive(Default)]
struct Index {
    services: BTreeSet<String>,
    /// The serialized files by their names.
    files: HashMap<String, Bytes>,
    /// The file of each fully qualified name.
    symbols: HashMap<String, Bytes>,
}

/// A `FileDescriptorSet` whose files keep their bytes, and so their custom options.
#[derive(Clone, PartialEq, Message)]
struct RawSet {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    file: Vec<Bytes>,
}

impl Index {
    fn add_set(&mut self, set: &[u8]) -> Result<(), DecodeError> {
        for raw in RawSet::decode(set)?.file {
            let file = FileDescriptorProto::decode(raw.clone())?;
            self.add_file(&file, &raw);
        }
        Ok(())
    }

    fn add_file(&mut self, file: &FileDescriptorProto, raw: &Bytes) {
        // Several sets contain the same imports.
        if self.files.insert(file.name().to_owned(), raw.clone()).is_some() {
            return;
        }
        let package = file.package();
        file.message_type.iter().for_each(|message| self.add_message(package, message, raw));
        file.enum_type.iter().for_each(|kind| self.add_enum(package, kind, raw));
        file.extension.iter().for_each(|extension| drop(self.add(package, extension.name(), raw)));
        for service in &file.service {
            let name = self.add(package, service.name(), raw);
            service.method.iter().for_each(|method| drop(self.add(&name, method.name(), raw)));
            self.services.insert(name);
        }
    }

    fn add_message(&mut self, scope: &str, message: &DescriptorProto, raw: &Bytes) {
        let name = self.add(scope, message.name(), raw);
        message.nested_type.iter().for_each(|nested| self.add_message(&name, nested, raw));
        message.enum_type.iter().for_each(|kind| self.add_enum(&name, kind, raw));
        let fields = message.field.iter().chain(&message.extension).map(|field| field.name());
        let members = fields.chain(message.oneof_decl.iter().map(|oneof| oneof.name()));
        members.for_each(|member| drop(self.add(&name, member, raw)));
    }

    /// The values of an enum are siblings of it, as in C++ (descriptor.proto, `EnumValueDescriptorProto`).
    /// Some clients look for them within the enum.
    fn add_enum(&mut self, scope: &str, kind: &EnumDescriptorProto, raw: &Bytes) {
        let name = self.add(scope, kind.name(), raw);
        for value in &kind.value {
            self.add(scope, value.name(), raw);
            self.add(&name, value.name(), raw);
        }
    }

    /// Adds `name` within `scope`, and returns the fully qualified name.
    fn add(&mut self, scope: &str, name: &str, raw: &Bytes) -> String {
        let full = if scope.is_empty() { name.to_owned() } else { format!("{scope}.{name}") };
        self.symbols.insert(full.clone(), raw.clone());
        full
    }

    fn answer(&self, query: Option<&MessageRequest>) -> Result<MessageResponse, Status> {
        let file = |raw: Option<&Bytes>, what: &str, name: &str| {
            let raw = raw.ok_or_else(|| Status::not_found(format!("unknown {what}: {name}")))?;
            let response = FileDescriptorResponse { file_descriptor_proto: vec![raw.to_vec()] };
            Ok(MessageResponse::FileDescriptorResponse(response))
        };
        match query {
            None => Err(Status::invalid_argument("the request has no query")),
            Some(MessageRequest::FileByFilename(name)) => file(self.files.get(name), "file", name),
            Some(MessageRequest::FileContainingSymbol(name)) => file(self.symbols.get(name), "symbol", name),
            // No file declares an extension of a message.
            Some(MessageRequest::FileContainingExtension(query)) => {
                let (number, extended) = (query.extension_number, &query.containing_type);
                Err(Status::not_found(format!("unknown extension: {number} of {extended}")))
            }
            Some(MessageRequest::AllExtensionNumbersOfType(name)) => {
                self.symbols.get(name).ok_or_else(|| Status::not_found(format!("unknown type: {name}")))?;
                let base_type_name = name.clone();
                let response = ExtensionNumberResponse { base_type_name, extension_number: Vec::new() };
                Ok(MessageResponse::AllExtensionNumbersResponse(response))
            }
            Some(MessageRequest::ListServices(_)) => {
                let service = self.services.iter().map(|name| ServiceResponse { name: name.clone() });
                let response = ListServiceResponse { service: service.collect() };
                Ok(MessageResponse::ListServicesResponse(response))
            }
        }
    }
}

/// The service `v1`.
struct Reflection(Arc<Index>);

#[tonic::async_trait]
impl ServerReflection for Reflection {
    type ServerReflectionInfoStream =
        Pin<Box<dyn Stream<Item = Result<ServerReflectionResponse, Status>> + Send>>;

    async fn server_reflection_info(
        &self,
        requests: Request<Streaming<ServerReflectionRequest>>,
    ) -> Result<Response<Self::ServerReflectionInfoStream>, Status> {
        let index = self.0.clone();
        let responses = requests.into_inner().map(move |request| {
            let request = request?;
            let answer = index.answer(request.message_request.as_ref()).unwrap_or_else(|status| {
                let error_message = status.message().to_owned();
                let error_code = Code::into(status.code());
                MessageResponse::ErrorResponse(ErrorResponse { error_code, error_message })
            });
            Ok(ServerReflectionResponse {
                valid_host: request.host.clone(),
                original_request: Some(request),
                message_response: Some(answer),
            })
        });
        Ok(Response::new(Box::pin(responses)))
    }
}

/// The service `v1alpha`: the same under its other name.
#[derive(Clone)]
struct V1Alpha<S>(S);

impl<S> NamedService for V1Alpha<S> {
    const NAME: &'static str = v1alpha::server_reflection_server::SERVICE_NAME;
}

impl<S: Service<http::Request<Body>> + NamedService> Service<http::Request<Body>> for V1Alpha<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        if let Ok(uri) = request.uri().path().replacen(Self::NAME, S::NAME, 1).parse::<Uri>() {
            *request.uri_mut() = uri;
        }
        self.0.call(request)
    }
}
