//! The status that a server sent: reading it from headers or trailers, and marking it as the server's own.

use http::{HeaderMap, HeaderName, HeaderValue};
use tonic::{Code, Status, metadata::MetadataMap};

/// The header or trailer with the number of a gRPC code.
pub(crate) const GRPC_STATUS: &str = "grpc-status";
/// A serialized `google.rpc.Status`, in base64.
const DETAILS: &str = "grpc-status-details-bin";

/// Marks the headers or trailers with a status that a server sent. Never sent on the wire, and removed from
/// what arrives there.
pub(crate) const SERVER_STATUS_MARK: HeaderName = HeaderName::from_static("x-channel-answered");

/// The code in `headers`; UNKNOWN if there is none.
pub(crate) fn status_code(headers: &HeaderMap) -> Code {
    headers.get(GRPC_STATUS).map_or(Code::Unknown, |code| Code::from_bytes(code.as_bytes()))
}

/// Marks `headers`, which contain a status.
pub(crate) fn mark(headers: &mut HeaderMap) {
    remove_undecodable_details(headers);
    headers.insert(SERVER_STATUS_MARK, HeaderValue::from_static("1"));
}

/// Details that are not base64 would make the generated client panic. The status is kept without them.
fn remove_undecodable_details(headers: &mut HeaderMap) {
    if !headers.contains_key(DETAILS) {
        return;
    }
    let mut metadata = MetadataMap::from_headers(std::mem::take(headers));
    if metadata.get_bin(DETAILS).is_some_and(|details| details.to_bytes().is_err()) {
        tracing::warn!("status details removed: not valid base64");
        metadata.remove_bin(DETAILS);
    }
    *headers = metadata.into_headers();
}

/// Whether the status in `headers` fulfils `predicate`; false without a status.
pub(crate) fn status_matches(headers: &HeaderMap, predicate: impl Fn(&Status) -> bool) -> bool {
    Status::from_header_map(headers).is_some_and(|status| predicate(&status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undecodable_details_are_removed_and_the_status_stays() {
        for (details, kept) in
            [("AAEC", true), ("AAECAw", true), ("AAECAw==", true), ("!", false), ("A", false)]
        {
            let mut headers = HeaderMap::new();
            headers.insert(GRPC_STATUS, HeaderValue::from_static("5"));
            headers.insert(DETAILS, HeaderValue::from_static(details));
            mark(&mut headers);
            let status = Status::from_header_map(&headers).unwrap();
            assert_eq!((status.code(), !status.details().is_empty()), (Code::NotFound, kept), "{details}");
            assert!(headers.contains_key(SERVER_STATUS_MARK));
        }
    }
}
