//! Each answer of the vault, and what follows from it.

use azure_core::http::headers::Headers;

use super::*;

fn status(status: u16, body: &str, retry_after: Option<&str>, versioned: bool) -> Failure {
    let mut headers = Headers::new();
    if let Some(value) = retry_after {
        headers.insert(RETRY_AFTER, value.to_owned());
    }
    let status = StatusCode::from(status);
    let response = RawResponse::from_bytes(status, headers, body.to_owned());
    Failure::from_status(status, Some(&response), versioned)
}

#[test]
fn each_answer_of_the_vault_is_named_for_what_to_do_next() {
    let disabled = r#"{"error":{"code":"Forbidden","message":"m","innererror":{"code":"SecretDisabled"}}}"#;
    let denied = r#"{"error":{"code":"Forbidden","message":"m","innererror":{"code":"ForbiddenByRbac"}}}"#;
    let malformed = r#"{"error":{"code":"BadParameter","message":"m"}}"#;
    let unavailable = VaultError::Unavailable { retry_after: None };
    let seven = Some(Duration::from_secs(7));
    for (failure, error) in [
        (status(404, "{}", None, false), VaultError::NotFound(Absence::Absent)),
        (
            status(400, malformed, None, true),
            VaultError::NotFound(Absence::Absent),
        ),
        (status(400, "{}", None, true), unavailable),
        (status(400, "{}", None, false), unavailable),
        (status(403, disabled, None, false), VaultError::Disabled),
        (status(403, denied, None, false), VaultError::AccessDenied),
        (status(403, "SecretDisabled", None, false), VaultError::AccessDenied),
        (status(401, "", None, false), VaultError::AccessDenied),
        (
            status(429, "", None, false),
            VaultError::Throttled { retry_after: None },
        ),
        (
            status(429, "", Some("7"), false),
            VaultError::Throttled { retry_after: seven },
        ),
        (
            status(503, "", Some("7"), false),
            VaultError::Unavailable { retry_after: seven },
        ),
        (status(500, "", Some("soon"), false), unavailable),
        (status(302, "", None, false), unavailable),
        (
            Failure::new(Cause::Certificate),
            VaultError::NotFound(Absence::Certificate),
        ),
        (Failure::new(Cause::Timeout), unavailable),
        (Failure::new(Cause::Token(TokenError::Status(403))), unavailable),
    ] {
        assert_eq!(failure.error(), error, "{failure:?}");
    }
}

#[test]
fn the_log_has_codes_and_never_a_message() {
    let body = r#"{"error":{"code":"Forbidden","message":"oid=canary","innererror":{"code":"ForbiddenByRbac"}}}"#;
    assert_eq!(
        status(403, body, None, false).to_string(),
        "the vault answered 403 Forbidden ForbiddenByRbac"
    );
    let odd = r#"{"error":{"code":"Bad canary\n","message":"m"}}"#;
    assert_eq!(status(500, odd, None, false).to_string(), "the vault answered 500");
}

#[test]
fn a_retry_after_is_at_most_a_minute() {
    let failure = status(429, "", Some("3600"), false);
    assert_eq!(failure.retry_after(), Some(MAX_RETRY_AFTER));
}
