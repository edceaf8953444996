//! Another service that this one calls: where it is, and how it is called.
//!
//! For a service `NAME` two variables are read, and those of [`tls`]:
//!
//! | variable | meaning |
//! |---|---|
//! | `NAME_SERVICE_URL` | where it is ([`Target`]); required |
//! | `NAME_SERVICE_CONFIG` | how calls are balanced, retried and bounded ([`ServiceConfig`]), in gRPC's own JSON; instead of the caller's default as a whole |

use grpc_client::{Channel, Metrics, ServiceConfig, Target, tls::TlsError};
use prometheus_client::registry::Registry;

use crate::{
    env::{Mode, Reader},
    not_started, tls,
    trace::ClientSpans,
};

/// How a service is called.
#[derive(Debug, Clone)]
pub struct UpstreamConfig {
    /// Where it is.
    pub target: Target,
    /// How calls are balanced, retried and bounded.
    pub service_config: ServiceConfig,
}

/// The names of the variables, and what holds where one is absent.
#[derive(Debug, Clone, Copy)]
pub struct Names {
    /// `NAME_SERVICE_URL`
    pub url: &'static str,
    /// `NAME_SERVICE_CONFIG`
    pub service_config: &'static str,
    /// The service config where none is given, as JSON.
    pub default: &'static str,
}

impl UpstreamConfig {
    /// A service at `target` that is called as `service_config` says.
    ///
    /// # Errors
    ///
    /// What is wrong with either.
    pub fn parse(target: &str, service_config: &str) -> Result<Self, String> {
        let target = target.parse().map_err(|error: grpc_client::TargetError| error.to_string())?;
        let service_config =
            service_config.parse().map_err(|error: grpc_client::ServiceConfigError| error.to_string())?;
        Ok(Self { target, service_config })
    }

    /// Reads the variables. `mode` and `tls` are what was read before; `None` where a fault was recorded, be it here or
    /// about them.
    pub fn read(
        reader: &mut Reader<'_>,
        names: Names,
        mode: Option<Mode>,
        tls: Option<&tls::Config>,
    ) -> Option<Self> {
        let target = reader.required_in_parts::<Target>(names.url, Target::ACCEPTED);
        let config = reader.optional::<String>(names.service_config, "a gRPC service config, as JSON");
        let service_config = match config.as_deref().unwrap_or(names.default).parse::<ServiceConfig>() {
            Ok(config) => Some(config),
            Err(error) => {
                reader.fault(names.service_config, &error.to_string());
                None
            }
        };
        let (target, service_config, tls) = (target?, service_config?, tls?);
        let plain = target.is_plaintext_off_loopback(tls.client.is_some());
        let allowed = tls.require_tls(reader, mode?, names.url, plain);
        allowed.then_some(Self { target, service_config })
    }

    /// The channel to it, whose calls are counted in `registry`. A call that the callee refused with NOT_STARTED
    /// ([`not_started`]) is made anew at another of its instances. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// That the target asks for TLS, no authority was named, and the system trusts none.
    pub fn channel(&self, tls: &tls::Config, registry: &mut Registry) -> Result<Channel, TlsError> {
        let builder = Channel::builder(self.target.clone())
            .service_config(self.service_config.clone())
            .metrics(Metrics::register(registry))
            .not_started_when(not_started::is_not_started)
            .observer(ClientSpans);
        match &tls.client {
            Some(client) => builder.tls(client.clone()),
            None => builder,
        }
        .build()
    }
}
