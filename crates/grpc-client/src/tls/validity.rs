//! The validity periods of certificates.

use std::{
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use x509_parser::parse_x509_certificate;

use super::FileRole;

/// The validity period of one certificate of a file, in Unix time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Validity {
    /// The purpose of the file.
    pub role: FileRole,
    /// The file.
    pub file: PathBuf,
    /// The position in the file, from 1.
    pub position: usize,
    /// The first second of the period.
    pub not_before: i64,
    /// The last second of the period.
    pub not_after: i64,
}

impl Validity {
    /// `None` where the certificate cannot be parsed, which others report.
    pub(super) fn of(role: FileRole, file: PathBuf, position: usize, certificate: &[u8]) -> Option<Self> {
        let (_, certificate) = parse_x509_certificate(certificate).ok()?;
        let period = certificate.validity();
        let (not_before, not_after) = (period.not_before.timestamp(), period.not_after.timestamp());
        Some(Self { role, file, position, not_before, not_after })
    }

    /// What is wrong with the certificate at `now`, in Unix time.
    pub fn fault_at(&self, now: i64) -> Option<&'static str> {
        let expired = (now > self.not_after).then_some("certificate has expired");
        expired.or_else(|| (now < self.not_before).then_some("certificate is not yet valid"))
    }
}

/// Logs a warning for each certificate that is expired or not yet valid.
pub(super) fn log_invalid(certificates: &[Validity]) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    for certificate in certificates {
        if let Some(fault) = certificate.fault_at(now) {
            let Validity { file, position, not_before, not_after, .. } = certificate;
            tracing::warn!(file = %file.display(), position, not_before, not_after, "{fault}");
        }
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    #[test]
    fn a_certificate_is_valid_within_its_period_alone() {
        let mut params = CertificateParams::new(vec!["a".to_owned()]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(2026, 1, 1), date_time_ymd(2026, 2, 1));
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let validity = Validity::of(FileRole::Ca, "ca.pem".into(), 1, certificate.der()).unwrap();
        let (start, end) = (1_767_225_600, 1_769_904_000);
        assert_eq!((validity.not_before, validity.not_after), (start, end));
        assert_eq!([start, end].map(|now| validity.fault_at(now)), [None, None]);
        assert_eq!(validity.fault_at(end + 1), Some("certificate has expired"));
        assert_eq!(validity.fault_at(start - 1), Some("certificate is not yet valid"));
        assert_eq!(Validity::of(FileRole::Ca, "ca.pem".into(), 1, b"no certificate"), None);
    }
}
