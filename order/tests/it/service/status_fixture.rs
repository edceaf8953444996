//! A gRPC status with its details, as one value to compare.

use std::{collections::BTreeMap, time::Duration};

use tonic::{Code, Status};
use tonic_types::{ErrorDetail, StatusExt};

use super::metadata;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StatusFixture {
    pub(crate) code: Code,
    pub(crate) message: String,
    /// Domain and reason of the `ErrorInfo`.
    pub(crate) reason: Option<(String, String)>,
    pub(crate) metadata: BTreeMap<String, String>,
    /// Descriptions of the violations, all of the field `payment`.
    pub(crate) payment: Vec<String>,
    pub(crate) retry_after: Option<Duration>,
}

impl StatusFixture {
    pub(crate) fn from_status(status: &Status) -> Self {
        let details = status.check_error_details().expect("every detail decodes");
        let info = details.error_info();
        if details.bad_request().is_some() {
            let first = status.get_error_details_vec().into_iter().next();
            // Clients of the old contract read the first detail alone.
            assert!(matches!(first, Some(ErrorDetail::BadRequest(_))), "{first:?}");
        }
        let violations = details.bad_request().map(|bad| bad.field_violations.clone()).unwrap_or_default();
        assert!(violations.iter().all(|violation| violation.field == "payment"), "{violations:?}");
        Self {
            code: status.code(),
            message: status.message().to_owned(),
            reason: info.map(|info| (info.domain.clone(), info.reason.clone())),
            metadata: info.map(|info| info.metadata.clone().into_iter().collect()).unwrap_or_default(),
            payment: violations.into_iter().map(|violation| violation.description).collect(),
            retry_after: details.retry_info().and_then(|retry| retry.retry_delay),
        }
    }

    /// The status of an order, without violations and retry delay.
    pub(crate) fn of_order(code: Code, message: &str, reason: &str, order_id: i64) -> Self {
        Self {
            code,
            message: message.to_owned(),
            reason: Some(("order".to_owned(), reason.to_owned())),
            metadata: metadata([("order_id", &order_id.to_string())]),
            payment: Vec::new(),
            retry_after: None,
        }
    }
}
