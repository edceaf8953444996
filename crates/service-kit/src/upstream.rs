//! The configuration of a service that this process calls: its address, and how calls are balanced and
//! retried.

use grpc_client::{Channel, Metrics, ServiceConfig, Target, tls::TlsError};

use crate::{
    env::{Kind, Mode, Reader, Variable, WhenAbsent},
    not_started, tls,
    trace::ClientSpans,
};

/// The address of a service, and how calls to it are made.
#[derive(Debug, Clone)]
pub struct UpstreamConfig {
    /// The address, or how to resolve it.
    pub target: Target,
    /// Load balancing, retries and time limits of calls.
    pub service_config: ServiceConfig,
}

/// The variables that configure an upstream, made by [`url`] and [`service_config`].
#[derive(Debug, Clone, Copy)]
pub struct UpstreamVariables {
    /// `NAME_SERVICE_URL`, a [`Target`].
    pub url: &'static Variable,
    /// `NAME_SERVICE_CONFIG`, a [`ServiceConfig`].
    pub service_config: &'static Variable,
    /// The service config where the variable is absent, as JSON.
    pub service_config_default: &'static str,
}

/// The variable `name` with the address of an upstream.
pub const fn url(name: &'static str, meaning: &'static str) -> Variable {
    Variable { name, kind: Kind::Text(Target::ACCEPTED), when_absent: WhenAbsent::Required, meaning }
}

/// The variable `name` with the service config of an upstream; `default` describes the service config in use
/// without it.
pub const fn service_config(name: &'static str, default: &'static str, meaning: &'static str) -> Variable {
    let kind = Kind::Text("a gRPC service config, as JSON");
    Variable { name, kind, when_absent: WhenAbsent::Means(default), meaning }
}

impl UpstreamConfig {
    /// Parses a target and a service config.
    ///
    /// # Errors
    ///
    /// The first fault of either.
    pub fn parse(target: &str, service_config: &str) -> Result<Self, String> {
        let target = target.parse().map_err(|error: grpc_client::TargetError| error.to_string())?;
        let service_config =
            service_config.parse().map_err(|error: grpc_client::ServiceConfigError| error.to_string())?;
        Ok(Self { target, service_config })
    }

    /// Reads the variables. `mode` and `tls` are `None` where reading them recorded a fault. Returns `None`
    /// where a fault was recorded, here or for them.
    pub fn read(
        reader: &mut Reader<'_>,
        variables: UpstreamVariables,
        mode: Option<Mode>,
        tls: Option<&tls::Config>,
    ) -> Option<Self> {
        let target = reader.value_explained::<Target>(variables.url);
        let config = reader.value::<String>(variables.service_config);
        let config = config.as_deref().unwrap_or(variables.service_config_default);
        let service_config = match config.parse::<ServiceConfig>() {
            Ok(config) => Some(config),
            Err(error) => {
                reader.fault(variables.service_config, &error.to_string());
                None
            }
        };
        let (target, service_config, tls) = (target?, service_config?, tls?);
        let plain = target.is_plaintext_off_loopback(tls.client.is_some());
        let allowed = tls.require_tls(reader, mode?, variables.url, plain);
        allowed.then_some(Self { target, service_config })
    }

    /// A channel to the service, which records its calls in `metrics`: one value for all upstreams of a
    /// process, since each registration exports every metric once more. A call that the service refused with
    /// NOT_STARTED ([`not_started`]) is sent to another of its instances. Must be called within a tokio
    /// runtime.
    ///
    /// # Errors
    ///
    /// The target requires TLS, no authority is configured, and the system trusts none.
    pub fn channel(&self, tls: &tls::Config, metrics: &Metrics) -> Result<Channel, TlsError> {
        let builder = Channel::builder(self.target.clone())
            .service_config(self.service_config.clone())
            .metrics(metrics.clone())
            .not_started_when(not_started::is_not_started)
            .observer(ClientSpans);
        match &tls.client {
            Some(client) => builder.tls(client.clone()),
            None => builder,
        }
        .build()
    }
}
