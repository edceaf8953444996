//! `Authorization: Bearer` (RFC 6750, section 2.1), the one way to send a token.

use http::{HeaderMap, header};

use super::AuthError;
use crate::limits;

/// The token of a request with these headers.
///
/// # Errors
///
/// There is none, or more than one, or one that is too long.
pub(super) fn token(headers: &HeaderMap) -> Result<&str, AuthError> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = match (values.next(), values.next()) {
        (None, _) => return Err(AuthError::Missing),
        (Some(value), None) => value,
        (Some(_), Some(_)) => return Err(AuthError::Invalid("there is more than one header Authorization")),
    };
    let text = value.to_str().map_err(|_| AuthError::Invalid("the header is no visible ASCII"))?;
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    match token.trim_matches(' ') {
        // RFC 9110, section 11.1: the name of a scheme has no case.
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

    fn read(values: &[&str]) -> Result<String, AuthError> {
        let header = |value: &&str| (header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        token(&values.iter().map(header).collect()).map(str::to_owned)
    }

    #[test]
    fn the_scheme_has_no_case_and_the_token_follows_it() {
        for header in ["Bearer a.b.c", "bearer a.b.c", "BEARER   a.b.c"] {
            assert_eq!(read(&[header]), Ok("a.b.c".to_owned()), "{header}");
        }
    }

    #[test]
    fn another_scheme_or_none_is_no_token() {
        for headers in
            [&[][..], &[""], &["Bearer"], &["Bearer "], &["Basic YTpi"], &["Bearera.b.c"], &["a.b.c"]]
        {
            assert_eq!(read(headers), Err(AuthError::Missing), "{headers:?}");
        }
    }

    #[test]
    fn two_headers_and_a_token_without_end_are_refused() {
        assert!(matches!(read(&["Bearer a", "Bearer a"]), Err(AuthError::Invalid(_))));
        assert!(matches!(read(&["Basic YTpi", "Bearer a"]), Err(AuthError::Invalid(_))));
        let longest = "a".repeat(limits::TOKEN_BYTES_MAX);
        assert!(read(&[&format!("Bearer {longest}")]).is_ok());
        assert!(matches!(read(&[&format!("Bearer {longest}a")]), Err(AuthError::Invalid(_))));
    }
}
