//! Parses the details of a backend's status (`google.rpc.Status.details`) one by one, so that a malformed
//! detail does not invalidate the others.
//!
//! The result is public, except for the metadata of an [`ErrorInfo`], which the caller filters by the
//! registry. This module logs and counts what it leaves out: private types, malformed details, and entries
//! over a bound.

use std::{collections::BTreeMap, time::Duration};

use prost::{DecodeError, Message};
use prost_types::Any;
use tonic_types::pb::{
    BadRequest, DebugInfo, ErrorInfo, Help, LocalizedMessage, PreconditionFailure, QuotaFailure, RequestInfo,
    ResourceInfo, RetryInfo, quota_failure,
};

use super::{
    body::{Link, Precondition, QuotaViolation, Resource, Violation},
    context::{DropReason, ProblemContext},
    language, links, registry,
};

/// Details of one status.
const DETAILS_MAX: usize = 32;
/// Entries of each list in a problem, and localized messages considered.
pub(super) const ENTRIES_MAX: usize = 128;
/// Links. Each adds a header, and clients limit the number of headers.
pub(super) const LINKS_MAX: usize = 8;
/// Bytes of one text in a problem; longer texts are truncated.
pub(super) const TEXT_BYTES_MAX: usize = 4096;
/// The largest number of seconds in a `google.protobuf.Duration`.
const DELAY_SECONDS_MAX: u64 = 315_576_000_000;

/// The parsed details of one status.
#[derive(Debug, Default)]
pub(super) struct Details {
    /// The first registered reason, else the first reason.
    pub(super) info: Option<ErrorInfo>,
    /// Without pointers.
    pub(super) violations: Vec<Violation>,
    /// The longest requested delay.
    pub(super) retry_after: Option<Duration>,
    pub(super) quota_violations: Vec<QuotaViolation>,
    pub(super) preconditions: Vec<Precondition>,
    pub(super) resource: Option<Resource>,
    pub(super) links: Vec<Link>,
    /// Each has a well-formed locale.
    pub(super) localized: Vec<LocalizedMessage>,
    pub(super) upstream_request_id: Option<String>,
}

/// A `google.rpc.Status` reduced to its undecoded details.
#[derive(Clone, PartialEq, Message)]
struct Envelope {
    #[prost(bytes = "vec", repeated, tag = "3")]
    details: Vec<Vec<u8>>,
}

/// Parses `bytes`, the `grpc-status-details-bin` of a status.
pub(super) fn parse(bytes: &[u8], context: &ProblemContext) -> Details {
    let mut parser = Parser { details: Details::default(), context };
    match Envelope::decode(bytes) {
        Ok(envelope) => {
            for detail in envelope.details.iter().take(DETAILS_MAX) {
                if let Err(error) = parser.add(detail) {
                    parser.drop(DropReason::Malformed, &error.to_string());
                }
            }
            if envelope.details.len() > DETAILS_MAX {
                parser.drop(DropReason::TooMuch, "details of one status");
            }
        }
        Err(error) => parser.drop(DropReason::Malformed, &error.to_string()),
    }
    parser.details
}

struct Parser<'a> {
    details: Details,
    context: &'a ProblemContext,
}

impl Parser<'_> {
    fn add(&mut self, detail: &[u8]) -> Result<(), DecodeError> {
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
            _ => self.drop(DropReason::UnknownType, &any.type_url),
        }
        Ok(())
    }

    fn bad_request(&mut self, detail: BadRequest) {
        for violation in self.bounded(self.details.violations.len(), detail.field_violations) {
            let violation = Violation {
                field: self.text(violation.field),
                pointer: None,
                detail: self.text(violation.description),
                reason: non_empty(self.text(violation.reason)),
            };
            self.details.violations.push(violation);
        }
    }

    fn error_info(&mut self, detail: ErrorInfo) {
        let registered = |info: &ErrorInfo| registry::by_reason(&info.domain, &info.reason).is_some();
        match &self.details.info {
            None => self.details.info = Some(detail),
            Some(present) if !registered(present) && registered(&detail) => {
                self.drop(DropReason::Repeated, "google.rpc.ErrorInfo");
                self.details.info = Some(detail);
            }
            Some(_) => self.drop(DropReason::Repeated, "google.rpc.ErrorInfo"),
        }
    }

    fn retry_info(&mut self, detail: RetryInfo) {
        let Some(delay) = detail.retry_delay else { return };
        match duration(delay) {
            Some(delay) => self.details.retry_after = self.details.retry_after.max(Some(delay)),
            None => self.drop(DropReason::Malformed, "google.rpc.RetryInfo.retry_delay"),
        }
    }

    fn quota_failure(&mut self, detail: QuotaFailure) {
        for violation in self.bounded(self.details.quota_violations.len(), detail.violations) {
            let violation = self.quota_violation(violation);
            self.details.quota_violations.push(violation);
        }
    }

    /// Leaves out `subject` and `api_service`, which are not public.
    fn quota_violation(&self, violation: quota_failure::Violation) -> QuotaViolation {
        // Sorted, so that equal statuses give equal problems.
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

    /// Leaves out `owner`, which is not public.
    fn resource_info(&mut self, detail: ResourceInfo) {
        if self.details.resource.is_some() {
            return self.drop(DropReason::Repeated, "google.rpc.ResourceInfo");
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
                self.drop(DropReason::UnsafeLink, &link.url);
            } else if self.details.links.len() == LINKS_MAX {
                self.drop(DropReason::TooMuch, &link.url);
            } else {
                let title = self.text(link.description);
                self.details.links.push(Link { title, href: link.url });
            }
        }
    }

    fn localized_message(&mut self, detail: LocalizedMessage) {
        if !language::is_tag(&detail.locale) || detail.message.is_empty() {
            self.drop(DropReason::Malformed, "google.rpc.LocalizedMessage");
        } else if self.details.localized.len() == ENTRIES_MAX {
            self.drop(DropReason::TooMuch, "google.rpc.LocalizedMessage");
        } else {
            let message = self.text(detail.message);
            self.details.localized.push(LocalizedMessage { message, ..detail });
        }
    }

    /// Leaves out `serving_data`, which is for operators.
    fn request_info(&mut self, detail: RequestInfo) {
        if self.details.upstream_request_id.is_some() {
            return self.drop(DropReason::Repeated, "google.rpc.RequestInfo");
        }
        self.details.upstream_request_id = non_empty(self.text(detail.request_id));
    }

    fn debug_info(&self, detail: &DebugInfo) {
        self.drop(DropReason::DebugInfo, &format!("{} {}", detail.detail, detail.stack_entries.join("\n")));
    }

    /// The first of `entries` that fit after `present` entries.
    fn bounded<T>(&self, present: usize, entries: Vec<T>) -> std::iter::Take<std::vec::IntoIter<T>> {
        let free = ENTRIES_MAX.saturating_sub(present);
        if entries.len() > free {
            self.drop(DropReason::TooMuch, &format!("{} of {} entries", entries.len() - free, entries.len()));
        }
        entries.into_iter().take(free)
    }

    fn text(&self, text: String) -> String {
        if text.len() > TEXT_BYTES_MAX {
            self.drop(DropReason::TooMuch, &text[text.floor_char_boundary(TEXT_BYTES_MAX)..]);
        }
        truncated(text)
    }

    fn drop(&self, reason: DropReason, what: &str) {
        log_dropped(self.context, reason, what);
    }
}

/// The delay, unless it is negative or exceeds `google.protobuf.Duration`. The conversion of prost-types is
/// not used: it overflows on out-of-range values.
fn duration(delay: prost_types::Duration) -> Option<Duration> {
    let seconds = u64::try_from(delay.seconds).ok().filter(|seconds| *seconds <= DELAY_SECONDS_MAX)?;
    let nanos = u32::try_from(delay.nanos).ok().filter(|nanos| *nanos < 1_000_000_000)?;
    Some(Duration::new(seconds, nanos))
}

/// Counts and logs something that a backend sent and a problem leaves out.
pub(super) fn log_dropped(context: &ProblemContext, reason: DropReason, what: &str) {
    context.count_dropped(reason);
    // Debug formatting escapes line breaks, which could forge a line. Truncated, since the backend sets the
    // length.
    let what = &what[..what.floor_char_boundary(TEXT_BYTES_MAX)];
    tracing::warn!(reason = reason.label(), ?what, "left out of a problem");
}

/// The first [`TEXT_BYTES_MAX`] bytes of `text`.
pub(super) fn truncated(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
    text
}

/// `None` for an empty text: protobuf does not distinguish the two.
pub(super) fn non_empty(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}
