//! Where the other service is.

use std::{fmt, str::FromStr};

use http::{Uri, uri::Scheme};

/// The address of a service: `host:port` or `http://host:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address(Uri);

/// A text that is no [`Address`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not host:port or http://host:port")]
pub struct AddressError;

impl Address {
    /// What is accepted, to complete the sentence "accepted: …".
    pub const ACCEPTED: &'static str = "host:port or http://host:port, localhost:3000 for instance";

    pub(crate) fn uri(&self) -> &Uri {
        &self.0
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let full = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let uri: Uri = full.parse().map_err(|_| AddressError)?;
        let plain =
            uri.scheme() == Some(&Scheme::HTTP) && matches!(uri.path(), "" | "/") && uri.query().is_none();
        let authority = uri.authority().ok_or(AddressError)?;
        let named = !authority.host().is_empty() && !authority.as_str().contains('@');
        // Without a port number there is nothing to connect to: 80 would be a guess.
        let reachable = authority.port_u16().is_some_and(|port| port > 0);
        if plain && named && reachable { Ok(Self(uri)) } else { Err(AddressError) }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.authority().map_or("", |authority| authority.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_port_are_an_address_with_or_without_scheme() {
        for text in
            ["localhost:3001", "http://localhost:3001", "http://localhost:3001/", "[::1]:3001", "10.0.0.1:1"]
        {
            assert!(text.parse::<Address>().is_ok(), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "localhost",
            "localhost:",
            "localhost:0",
            "localhost:99999",
            ":3001",
            "http://",
            "ftp://a:1",
            "http://a:1/path",
            "http://a:1/?q",
            "http://user:secret@a:1",
            "a:1,b:2",
            "dns:///a:1",
            "https://a:1",
            "a b:1",
        ] {
            assert_eq!(text.parse::<Address>(), Err(AddressError), "{text}");
        }
    }
}
