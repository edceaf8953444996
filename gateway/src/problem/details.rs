//! Reads the details of a backend's status (`google.rpc.Status.details`), one by one, so that a malformed
//! one does not cost the others.
//!
//! What leaves this module is fit for the public, except that the metadata of an [`ErrorInfo`] must still
//! be held against the registry. The rest is logged and counted here: what is private by its type, what
//! does not decode, and what goes over a bound.

use std::{collections::BTreeMap, time::Duration};

use prost::{DecodeError, Message};
use prost_types::Any;
use tonic_types::pb::{
    BadRequest, DebugInfo, ErrorInfo, Help, LocalizedMessage, PreconditionFailure, QuotaFailure, RequestInfo,
    ResourceInfo, RetryInfo, quota_failure,
};

use super::{
    body::{Link, Precondition, QuotaViolation, Resource, Violation},
    context::{ProblemContext, Why},
    language, links, registry,
};

/// Details of one status.
const DETAILS_MAX: usize = 32;
/// Entries of each list in a problem, and localized messages to choose from.
pub(super) const ENTRIES_MAX: usize = 128;
/// Links; each is a header too, and clients bound those.
pub(super) const LINKS_MAX: usize = 8;
/// Bytes of one text in a problem; a longer one is cut.
pub(super) const TEXT_BYTES_MAX: usize = 4096;
/// Seconds of a `google.protobuf.Duration`, by its definition; ten thousand years.
const DELAY_SECONDS_MAX: u64 = 315_576_000_000;

/// What the details of one status say.
#[derive(Debug, Default)]
pub(super) struct Details {
    /// A registered reason where there is one, else the first.
    pub(super) info: Option<ErrorInfo>,
    /// Without pointers.
    pub(super) violations: Vec<Violation>,
    /// The longest delay that was asked for.
    pub(super) retry_after: Option<Duration>,
    pub(super) quota_violations: Vec<QuotaViolation>,
    pub(super) preconditions: Vec<Precondition>,
    pub(super) resource: Option<Resource>,
    pub(super) links: Vec<Link>,
    /// Each in a well-formed locale.
    pub(super) localized: Vec<LocalizedMessage>,
    pub(super) upstream_request_id: Option<String>,
}

/// A `google.rpc.Status` of which only the details are read, and each of those left undecoded.
#[derive(Clone, PartialEq, Message)]
struct Envelope {
    #[prost(bytes = "vec", repeated, tag = "3")]
    details: Vec<Vec<u8>>,
}

/// Reads `bytes`, the `grpc-status-details-bin` of a status.
pub(super) fn read(bytes: &[u8], site: &ProblemContext) -> Details {
    let mut reader = Reader { details: Details::default(), site };
    match Envelope::decode(bytes) {
        Ok(envelope) => {
            for detail in envelope.details.iter().take(DETAILS_MAX) {
                if let Err(error) = reader.take(detail) {
                    reader.drop(Why::Malformed, &error.to_string());
                }
            }
            if envelope.details.len() > DETAILS_MAX {
                reader.drop(Why::TooMuch, "details of one status");
            }
        }
        Err(error) => reader.drop(Why::Malformed, &error.to_string()),
    }
    reader.details
}

struct Reader<'a> {
    details: Details,
    site: &'a ProblemContext,
}

impl Reader<'_> {
    fn take(&mut self, detail: &[u8]) -> Result<(), DecodeError> {
        let any = Any::decode(detail)?;
        let value = any.value.as_slice();
        match any.type_url.rsplit('/').next().unwrap_or_default() {
            "google.rpc.BadRequest" => self.bad_request(BadRequest::decode(value)?),
            "google.rpc.ErrorInfo" => self.error_info(ErrorInfo::decode(value)?),
            "google.rpc.RetryInfo" => self.retry_info(RetryInfo::decode(value)?),
            "google.rpc.QuotaFailure" => self.quota_failure(QuotaFailure::decode(value)?),
            "google.rpc.PreconditionFailure" => {
                self.precondition_failure(PreconditionFailure::decode(value)?);
            }
            "google.rpc.ResourceInfo" => self.resource_info(ResourceInfo::decode(value)?),
            "google.rpc.Help" => self.help(Help::decode(value)?),
            "google.rpc.LocalizedMessage" => self.localized_message(LocalizedMessage::decode(value)?),
            "google.rpc.RequestInfo" => self.request_info(RequestInfo::decode(value)?),
            "google.rpc.DebugInfo" => self.debug_info(&DebugInfo::decode(value)?),
            _ => self.drop(Why::UnknownType, &any.type_url),
        }
        Ok(())
    }

    fn bad_request(&mut self, detail: BadRequest) {
        for violation in self.bounded(self.details.violations.len(), detail.field_violations) {
            let violation = Violation {
                field: self.text(violation.field),
                pointer: None,
                detail: self.text(violation.description),
                reason: some(self.text(violation.reason)),
            };
            self.details.violations.push(violation);
        }
    }

    fn error_info(&mut self, detail: ErrorInfo) {
        let registered = |info: &ErrorInfo| registry::by_reason(&info.domain, &info.reason).is_some();
        match &self.details.info {
            None => self.details.info = Some(detail),
            Some(there) if !registered(there) && registered(&detail) => {
                self.drop(Why::Repeated, "google.rpc.ErrorInfo");
                self.details.info = Some(detail);
            }
            Some(_) => self.drop(Why::Repeated, "google.rpc.ErrorInfo"),
        }
    }

    fn retry_info(&mut self, detail: RetryInfo) {
        let Some(delay) = detail.retry_delay else { return };
        match duration(delay) {
            Some(delay) => self.details.retry_after = self.details.retry_after.max(Some(delay)),
            None => self.drop(Why::Malformed, "google.rpc.RetryInfo.retry_delay"),
        }
    }

    fn quota_failure(&mut self, detail: QuotaFailure) {
        for violation in self.bounded(self.details.quota_violations.len(), detail.violations) {
            let violation = self.quota_violation(violation);
            self.details.quota_violations.push(violation);
        }
    }

    /// Without `subject` and `api_service`, which tell who exceeded a quota and which service minds.
    fn quota_violation(&self, violation: quota_failure::Violation) -> QuotaViolation {
        // In the order of their names: a map has none, and a problem should read the same every time.
        let dimensions: BTreeMap<_, _> = violation.quota_dimensions.into_iter().collect();
        QuotaViolation {
            description: self.text(violation.description),
            quota_metric: self.text(violation.quota_metric),
            quota_id: self.text(violation.quota_id),
            quota_dimensions: self
                .bounded(0, dimensions.into_iter().collect())
                .map(|(key, value)| (self.text(key), self.text(value)))
                .collect(),
            quota_value: Some(violation.quota_value).filter(|value| *value != 0),
            future_quota_value: violation.future_quota_value,
        }
    }

    fn precondition_failure(&mut self, detail: PreconditionFailure) {
        for violation in self.bounded(self.details.preconditions.len(), detail.violations) {
            let precondition = Precondition {
                kind: self.text(violation.r#type),
                subject: self.text(violation.subject),
                description: self.text(violation.description),
            };
            self.details.preconditions.push(precondition);
        }
    }

    /// Without `owner`, who is none of the caller's business.
    fn resource_info(&mut self, detail: ResourceInfo) {
        if self.details.resource.is_some() {
            return self.drop(Why::Repeated, "google.rpc.ResourceInfo");
        }
        self.details.resource = Some(Resource {
            kind: self.text(detail.resource_type),
            name: self.text(detail.resource_name),
            description: self.text(detail.description),
        });
    }

    fn help(&mut self, detail: Help) {
        for link in detail.links {
            if !links::is_safe(&link.url) {
                self.drop(Why::UnsafeLink, &link.url);
            } else if self.details.links.len() == LINKS_MAX {
                self.drop(Why::TooMuch, &link.url);
            } else {
                let title = self.text(link.description);
                self.details.links.push(Link { title, href: link.url });
            }
        }
    }

    fn localized_message(&mut self, detail: LocalizedMessage) {
        if !language::is_tag(&detail.locale) || detail.message.is_empty() {
            self.drop(Why::Malformed, "google.rpc.LocalizedMessage");
        } else if self.details.localized.len() == ENTRIES_MAX {
            self.drop(Why::TooMuch, "google.rpc.LocalizedMessage");
        } else {
            let message = self.text(detail.message);
            self.details.localized.push(LocalizedMessage { message, ..detail });
        }
    }

    /// Without `serving_data`, which is for whoever runs the backend.
    fn request_info(&mut self, detail: RequestInfo) {
        if self.details.upstream_request_id.is_some() {
            return self.drop(Why::Repeated, "google.rpc.RequestInfo");
        }
        self.details.upstream_request_id = some(self.text(detail.request_id));
    }

    fn debug_info(&self, detail: &DebugInfo) {
        self.drop(Why::DebugInfo, &format!("{} {}", detail.detail, detail.stack_entries.join("\n")));
    }

    /// As many of `entries` as there is room for where there are `there` already.
    fn bounded<T>(&self, there: usize, entries: Vec<T>) -> std::iter::Take<std::vec::IntoIter<T>> {
        let room = ENTRIES_MAX.saturating_sub(there);
        if entries.len() > room {
            self.drop(Why::TooMuch, &format!("{} of {} entries", entries.len() - room, entries.len()));
        }
        entries.into_iter().take(room)
    }

    fn text(&self, text: String) -> String {
        if text.len() > TEXT_BYTES_MAX {
            self.drop(Why::TooMuch, &text[text.floor_char_boundary(TEXT_BYTES_MAX)..]);
        }
        cut(text)
    }

    fn drop(&self, why: Why, what: &str) {
        log_dropped(self.site, why, what);
    }
}

/// A delay that is one: not negative, and within what `google.protobuf.Duration` allows. Not by the conversion
/// of prost-types, which overflows on what a backend may make up.
fn duration(delay: prost_types::Duration) -> Option<Duration> {
    let seconds = u64::try_from(delay.seconds).ok().filter(|seconds| *seconds <= DELAY_SECONDS_MAX)?;
    let nanos = u32::try_from(delay.nanos).ok().filter(|nanos| *nanos < 1_000_000_000)?;
    Some(Duration::new(seconds, nanos))
}

/// Counts and logs something that a backend sent and the public is not shown.
pub(super) fn log_dropped(site: &ProblemContext, why: Why, what: &str) {
    site.count_dropped(why);
    // As Debug, which escapes what could forge a line; bounded, since a backend decides how long it is.
    let what = &what[..what.floor_char_boundary(TEXT_BYTES_MAX)];
    tracing::warn!(why = why.label(), ?what, "left out of a problem");
}

/// `text` or, where it is longer than [`TEXT_BYTES_MAX`], its beginning.
pub(super) fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
    text
}

/// Protobuf has no difference between an empty text and none.
pub(super) fn some(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}
