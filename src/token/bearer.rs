//! The `Authorization` header, in RFC 6750's form.

use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::{TokenError, UNREADABLE};

/// Longest token that is read, in characters: Entra's have 1,000 to 6,000.
const MAX_TOKEN: usize = 16 * 1024;

/// The token of the one `Authorization` header.
pub(super) fn token(headers: &HeaderMap) -> Result<&str, TokenError> {
    let mut lines = headers.get_all(AUTHORIZATION).iter();
    let line = lines.next().ok_or(TokenError::Unauthorized("there is no token"))?;
    if lines.next().is_some() {
        return Err(TokenError::Unauthorized("there is more than one Authorization header"));
    }
    let (scheme, token) = line
        .to_str()
        .ok()
        .and_then(|line| line.split_once(' '))
        .ok_or(UNREADABLE)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(TokenError::Unauthorized("the scheme is not Bearer"));
    }
    let token = token.trim_start_matches(' ');
    let of_form = token
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if token.is_empty() || token.len() > MAX_TOKEN || !of_form {
        return Err(UNREADABLE);
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_token_is_one_line_of_scheme_bearer() {
        let too_long = format!("Bearer {}", "a".repeat(MAX_TOKEN + 1));
        for (lines, expected) in [
            (&["Bearer a.b-_.c"][..], Some("a.b-_.c")),
            (&["bearer  a.b.c"], Some("a.b.c")),
            (&[], None),
            (&["Bearer"], None),
            (&["Bearer "], None),
            (&["Bearera.b.c"], None),
            (&["Basic a"], None),
            (&["a.b.c"], None),
            (&["Bearer a.b.c d"], None),
            (&["Bearer a.b.c,Bearer a.b.c"], None),
            (&["Bearer\ta.b.c"], None),
            (&["Bearer a.b.c="], None),
            (&["Bearer a.b.c", "Bearer a.b.c"], None),
            (&[&too_long], None),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(AUTHORIZATION, HeaderValue::from_str(line).unwrap());
            }
            assert_eq!(token(&headers).ok(), expected, "{lines:?}");
        }
    }
}
