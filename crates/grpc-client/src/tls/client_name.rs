//! Authorization of clients by the names in their certificates.

use std::{fmt, str::FromStr, sync::Arc};

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    server::danger::{ClientCertVerified, ClientCertVerifier},
};
use rustls_pki_types::{CertificateDer, DnsName, UnixTime};
use webpki::EndEntityCert;

/// A name in the subject alternative names of a client's certificate: a DNS name, or a URI such as
/// `spiffe://example.org/billing`.
///
/// DNS names are compared case-insensitively, URIs exactly. There are no patterns: a certificate for
/// `*.example.org` has that name and no other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientName(Kind);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Dns(String),
    Uri(String),
}

/// A text that is not a [`ClientName`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("neither a DNS name nor a URI")]
pub struct ClientNameError;

impl ClientName {
    /// The accepted forms, to complete "accepted: …".
    pub const ACCEPTED: &'static str = "a DNS name or a URI, spiffe://example.org/billing for instance";

    fn is_name_of(&self, certificate: &EndEntityCert<'_>) -> bool {
        match &self.0 {
            Kind::Dns(name) => certificate.valid_dns_names().any(|dns| dns.eq_ignore_ascii_case(name)),
            Kind::Uri(name) => certificate.valid_uri_names().any(|uri| uri == name),
        }
    }
}

impl FromStr for ClientName {
    type Err = ClientNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once("://") {
            Some((scheme, rest))
                if !scheme.is_empty() && !rest.is_empty() && !text.contains(char::is_whitespace) =>
            {
                Ok(Self(Kind::Uri(text.to_owned())))
            }
            Some(_) => Err(ClientNameError),
            None => {
                let name = DnsName::try_from(text).map_err(|_| ClientNameError)?;
                Ok(Self(Kind::Dns(name.as_ref().to_owned())))
            }
        }
    }
}

impl fmt::Display for ClientName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Dns(name) | Kind::Uri(name) => f.write_str(name),
        }
    }
}

/// Verifies the chain of a client's certificate with `chain`, and requires one of `names` in the certificate.
#[derive(Debug)]
pub(super) struct NameVerifier {
    pub(super) chain: Arc<dyn ClientCertVerifier>,
    pub(super) names: Vec<ClientName>,
}

impl ClientCertVerifier for NameVerifier {
    fn offer_client_auth(&self) -> bool {
        self.chain.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.chain.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        // The chain first: anyone can issue a certificate with an allowed name.
        let verified = self.chain.verify_client_cert(end_entity, intermediates, now)?;
        let certificate = EndEntityCert::try_from(end_entity).map_err(|_| CertificateError::BadEncoding)?;
        if self.names.iter().any(|name| name.is_name_of(&certificate)) {
            return Ok(verified);
        }
        let names: Vec<&str> = certificate.valid_dns_names().chain(certificate.valid_uri_names()).collect();
        tracing::debug!(?names, "client certificate rejected: none of its names is allowed");
        // The client receives the alert access_denied (RFC 8446 §6.2).
        Err(CertificateError::ApplicationVerificationFailure.into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dns_names_and_uris_are_accepted() {
        for text in ["billing", "billing.example.org", "spiffe://example.org/ns/a/billing"] {
            assert_eq!(text.parse::<ClientName>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn other_texts_are_rejected() {
        for text in ["", "*.example.org", "a b", "10.0.0.1", "://a", "spiffe://", "spiffe://a b", "a,b"] {
            assert_eq!(text.parse::<ClientName>(), Err(ClientNameError), "{text}");
        }
    }
}
