//! The end of the validity of the certificates in use.

use std::fmt::Error;

use grpc_client::tls::{ClientTls, FileRole, ServerTls, Validity};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
};

use super::Config;
use crate::metrics::Registry;

/// Reads the validity at each scrape, as of the last reload.
#[derive(Debug)]
struct Certificates {
    client: Option<ClientTls>,
    server: Option<ServerTls>,
    public: Option<ServerTls>,
}

/// Registers `tls_certificate_not_after_seconds`, and logs a warning for each certificate that is expired or
/// not yet valid.
pub fn register_certificates(registry: &mut Registry, tls: &Config, public: Option<&ServerTls>) {
    let certificates =
        Certificates { client: tls.client.clone(), server: tls.server.clone(), public: public.cloned() };
    // Client and server use the same files.
    match (&certificates.server, &certificates.client) {
        (Some(server), _) => server.log_invalid(),
        (None, Some(client)) => client.log_invalid(),
        (None, None) => {}
    }
    if let Some(public) = public {
        public.log_invalid();
    }
    registry.register_collector(Box::new(certificates));
}

impl Collector for Certificates {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let client = self.client.as_ref().map(ClientTls::validity);
        let server = self.server.as_ref().map(ServerTls::validity);
        let public = self.public.as_ref().map(ServerTls::validity);
        let uses = [("client", client), ("server", server), ("public", public)];
        if uses.iter().all(|(_, validity)| validity.is_none()) {
            return Ok(());
        }
        let mut family = encoder.encode_descriptor(
            "tls_certificate_not_after_seconds",
            "End of the validity of a certificate in use, since the Unix epoch",
            None,
            MetricType::Gauge,
        )?;
        for (used_by, validity) in uses {
            for Validity { role, file, position, not_after, .. } in validity.into_iter().flatten() {
                let role = if role == FileRole::Ca { "ca" } else { "certificate" };
                let file = file.display().to_string();
                let position = position.to_string();
                let labels = [("use", used_by), ("role", role), ("file", &file), ("position", &position)];
                ConstGauge::new(not_after).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}
