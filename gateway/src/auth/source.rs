//! The source of a key set: a file or a URL. Reads are bounded in bytes and time.

use std::{
    fmt,
    fs::File,
    io,
    io::Read,
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;

use super::key_set::KeySetError;
use crate::limits;

/// The source of a key set.
#[derive(Clone)]
pub(super) enum KeySource {
    File(PathBuf),
    Url(Box<RemoteKeys>),
}

/// A URL and its HTTP client.
#[derive(Clone)]
pub(super) struct RemoteKeys {
    uri: Uri,
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
}

/// Why a key set could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum SourceError {
    #[error("the file cannot be read: {0}")]
    File(#[from] io::Error),
    #[error("it has more than {} bytes", limits::KEY_SET_BYTES_MAX)]
    TooLong,
    #[error("the request failed")]
    Unreachable(#[from] hyper_util::client::legacy::Error),
    /// Redirects are not followed: the operator configures the final URL.
    #[error("the status is {0} instead of 200")]
    Status(StatusCode),
    #[error("the response body is incomplete")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("it did not arrive within {:?}", limits::KEY_SET_READ_MAX)]
    Slow,
    #[error(transparent)]
    KeySet(#[from] KeySetError),
}

impl KeySource {
    pub(super) async fn read(&self) -> Result<Bytes, SourceError> {
        let read = async {
            match self {
                Self::File(path) => {
                    let path = path.clone();
                    let read = tokio::task::spawn_blocking(move || read_file(&path)).await;
                    read.map_err(io::Error::other)?
                }
                Self::Url(remote) => remote.read().await,
            }
        };
        timeout(limits::KEY_SET_READ_MAX, read).await.map_err(|_| SourceError::Slow)?
    }

    /// The refresh interval.
    pub(super) fn interval(&self) -> Duration {
        match self {
            Self::File(_) => limits::KEY_SET_FILE_INTERVAL,
            Self::Url(_) => limits::KEY_SET_URL_INTERVAL,
        }
    }

    /// The minimum interval between refreshes that tokens with unknown keys force.
    pub(super) fn forced_refresh_interval(&self) -> Duration {
        match self {
            Self::File(_) => limits::KEY_SET_FILE_FORCED_INTERVAL,
            Self::Url(_) => limits::KEY_SET_URL_FORCED_INTERVAL,
        }
    }
}

/// Reads a file of at most [`limits::KEY_SET_BYTES_MAX`] bytes.
pub(super) fn read_file(path: &Path) -> Result<Bytes, SourceError> {
    let mut bytes = Vec::new();
    // One byte more than the limit detects a file that is too long.
    let max = u64::try_from(limits::KEY_SET_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path)?.take(max).read_to_end(&mut bytes)?;
    if bytes.len() > limits::KEY_SET_BYTES_MAX { Err(SourceError::TooLong) } else { Ok(bytes.into()) }
}

impl RemoteKeys {
    /// A key set at `uri`; `roots` are the trusted certificates of an https URL.
    pub(super) fn new(uri: Uri, roots: RootCertStore) -> Result<Self, rustls::Error> {
        let provider = rustls::crypto::ring::default_provider();
        let tls = ClientConfig::builder_with_provider(provider.into())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
        // Minutes pass between two requests: no server keeps a connection open for that long.
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
        Ok(Self { uri, client })
    }

    async fn read(&self) -> Result<Bytes, SourceError> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = self.uri.clone();
        let accept = header::HeaderValue::from_static("application/jwk-set+json, application/json");
        request.headers_mut().insert(header::ACCEPT, accept);
        let response = self.client.request(request).await?;
        if response.status() != StatusCode::OK {
            return Err(SourceError::Status(response.status()));
        }
        let body = Limited::new(response.into_body(), limits::KEY_SET_BYTES_MAX).collect().await;
        body.map(|body| body.to_bytes()).map_err(|error| {
            match error.downcast_ref::<http_body_util::LengthLimitError>() {
                Some(_) => SourceError::TooLong,
                None => SourceError::Broken(error),
            }
        })
    }
}

/// The path, or the URL without its query, which may contain secrets.
impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Url(remote) => {
                let uri = &remote.uri;
                let host = uri.authority().map_or("", |authority| authority.as_str());
                write!(f, "{}://{host}{}", uri.scheme_str().unwrap_or_default(), uri.path())
            }
        }
    }
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
