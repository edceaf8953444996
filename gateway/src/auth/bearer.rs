//! `Authorization: Bearer` (RFC 6750, section 2.1), the only supported way to send a token.

use http::{HeaderMap, header};

use super::AuthError;
use crate::limits;

/// Returns the token of a request with these headers.
///
/// # Errors
///
/// [`AuthError::Missing`] for no token; [`AuthError::Invalid`] for several headers or a token that is too
/// long.
pub(super) fn token(headers: &HeaderMap) -> Result<&str, AuthError> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = match (values.next(), values.next()) {
        (None, _) => return Err(AuthError::Missing),
        (Some(value), None) => value,
        (Some(_), Some(_)) => return Err(AuthError::Invalid("more than one header Authorization")),
    };
    let text = value.to_str().map_err(|_| AuthError::Invalid("the header is not visible ASCII"))?;
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    match token.trim_matches(' ') {
        // Scheme names are case-insensitive (RFC 9110, section 11.1).
        _ if !scheme.eq_ignore_ascii_case("bearer") => Err(AuthError::Missing),
        "" => Err(AuthError::Missing),
        token if token.len() > limits::TOKEN_BYTES_MAX => Err(AuthError::Invalid("it is too long")),
        token => Ok(token),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn token_of(values: &[&str]) -> Result<String, AuthError> {
        let header = |value: &&str| (header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        token(&values.iter().map(header).collect()).map(str::to_owned)
    }

    #[test]
    fn the_scheme_is_case_insensitive() {
        for header in ["Bearer a.b.c", "bearer a.b.c", "BEARER   a.b.c"] {
            assert_eq!(token_of(&[header]), Ok("a.b.c".to_owned()), "{header}");
        }
    }

    #[test]
    fn a_header_without_bearer_token_counts_as_missing() {
        for headers in
            [&[][..], &[""], &["Bearer"], &["Bearer "], &["Basic YTpi"], &["Bearera.b.c"], &["a.b.c"]]
        {
            assert_eq!(token_of(headers), Err(AuthError::Missing), "{headers:?}");
        }
    }

    #[test]
    fn two_headers_and_a_token_that_is_too_long_are_rejected() {
        assert!(matches!(token_of(&["Bearer a", "Bearer a"]), Err(AuthError::Invalid(_))));
        assert!(matches!(token_of(&["Basic YTpi", "Bearer a"]), Err(AuthError::Invalid(_))));
        let longest = "a".repeat(limits::TOKEN_BYTES_MAX);
        assert!(token_of(&[&format!("Bearer {longest}")]).is_ok());
        assert!(matches!(token_of(&[&format!("Bearer {longest}a")]), Err(AuthError::Invalid(_))));
    }
}
