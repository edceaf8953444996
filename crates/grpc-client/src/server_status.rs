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

/// A `grpc-status` that is no decimal number, or more than one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct InvalidStatus;

/// The code in `headers` (gRPC over HTTP/2: `Status → "grpc-status" 1*DIGIT`); UNKNOWN for a number that is
/// no code. `None` without a `grpc-status`.
pub(crate) fn parse_status(headers: &HeaderMap) -> Option<Result<Code, InvalidStatus>> {
    let mut values = headers.get_all(GRPC_STATUS).iter();
    let text = values.next()?.as_bytes();
    let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    if !is_number || values.next().is_some() {
        return Some(Err(InvalidStatus));
    }
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    Some(Ok(number.map_or(Code::Unknown, Code::from_i32)))
}

/// The code in `headers`; UNKNOWN if there is none.
pub(crate) fn status_code(headers: &HeaderMap) -> Code {
    parse_status(headers).and_then(Result::ok).unwrap_or(Code::Unknown)
}

/// Marks `headers`, which contain the status `code`.
pub(crate) fn mark(headers: &mut HeaderMap, code: Code) {
    remove_undecodable_details(headers);
    // The generated client takes a code with leading zeros for UNKNOWN.
    if headers.get(GRPC_STATUS).is_some_and(|text| Code::from_bytes(text.as_bytes()) != code) {
        headers.insert(GRPC_STATUS, HeaderValue::from(i32::from(code)));
    }
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
    fn status_is_one_decimal_number() {
        let parse = |texts: &[&'static str]| {
            let values =
                texts.iter().map(|text| (GRPC_STATUS.parse().unwrap(), HeaderValue::from_static(text)));
            parse_status(&HeaderMap::from_iter(values))
        };
        assert_eq!(parse(&[]), None);
        for (text, code) in [
            ("0", Code::Ok),
            ("00", Code::Ok),
            ("014", Code::Unavailable),
            ("16", Code::Unauthenticated),
            ("17", Code::Unknown),
            ("99999999999", Code::Unknown),
        ] {
            assert_eq!(parse(&[text]), Some(Ok(code)), "{text}");
        }
        for bad in [&[""][..], &["-1"], &["+1"], &[" 1"], &["0x1"], &["OK"], &["0", "14"], &["0", "0"]] {
            assert_eq!(parse(bad), Some(Err(InvalidStatus)), "{bad:?}");
        }
    }

    #[test]
    fn generated_client_reads_a_code_with_leading_zeros() {
        for (text, code) in [("00", Code::Ok), ("014", Code::Unavailable), ("99", Code::Unknown)] {
            let mut headers = HeaderMap::new();
            headers.insert(GRPC_STATUS, HeaderValue::from_static(text));
            mark(&mut headers, code);
            assert_eq!(Status::from_header_map(&headers).unwrap().code(), code, "{text}");
        }
    }

    #[test]
    fn undecodable_details_are_removed_and_the_status_stays() {
        for (details, kept) in
            [("AAEC", true), ("AAECAw", true), ("AAECAw==", true), ("!", false), ("A", false)]
        {
            let mut headers = HeaderMap::new();
            headers.insert(GRPC_STATUS, HeaderValue::from_static("5"));
            headers.insert(DETAILS, HeaderValue::from_static(details));
            mark(&mut headers, Code::NotFound);
            let status = Status::from_header_map(&headers).unwrap();
            assert_eq!((status.code(), !status.details().is_empty()), (Code::NotFound, kept), "{details}");
            assert!(headers.contains_key(SERVER_STATUS_MARK));
        }
    }
}
