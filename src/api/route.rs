//! Which resource a path names.

/// What a request target names. Nothing is percent-decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route<'a> {
    /// `/`: the Functions host's readiness probe.
    Readiness,
    /// `/api/secrets/NAME` or `/api/secrets/NAME/VERSION`, one trailing slash
    /// accepted after either; not validated yet.
    Secret { name: &'a str, version: Option<&'a str> },
    /// Anything else.
    Unknown,
}

impl<'a> Route<'a> {
    pub(super) fn of(path: &'a str) -> Self {
        if path == "/" {
            return Self::Readiness;
        }
        secret(path).unwrap_or(Self::Unknown)
    }
}

/// The host's routing ignores the case of literal segments.
const SECRETS: &str = "/api/secrets/";

fn secret(path: &str) -> Option<Route<'_>> {
    let (prefix, rest) = path.split_at_checked(SECRETS.len())?;
    if !prefix.eq_ignore_ascii_case(SECRETS) {
        return None;
    }
    let mut segments = rest.split('/');
    let name = segments.next().filter(|name| !name.is_empty())?;
    let version = match (segments.next(), segments.next(), segments.next()) {
        (None | Some(""), None, None) => None,
        (Some(version), None | Some(""), None) if !version.is_empty() => Some(version),
        _ => return None,
    };
    Some(Route::Secret { name, version })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_secret_a_version_or_nothing() {
        let secret = |name, version| Route::Secret { name, version };
        for (path, route) in [
            ("/", Route::Readiness),
            ("/api/secrets/a", secret("a", None)),
            ("/api/secrets/a/", secret("a", None)),
            ("/api/secrets/a/1", secret("a", Some("1"))),
            ("/api/secrets/a/1/", secret("a", Some("1"))),
            ("/API/Secrets/A", secret("A", None)),
            ("/api/secrets/%61", secret("%61", None)),
            ("/api/secrets/..", secret("..", None)),
            ("/api/secrets/a//", Route::Unknown),
            ("/api/secrets/a/1//", Route::Unknown),
            ("/api/secrets/a/1/2", Route::Unknown),
            ("/api/secrets/a//1", Route::Unknown),
            ("/api/secrets/", Route::Unknown),
            ("/api/secrets//", Route::Unknown),
            ("/api/secrets//1", Route::Unknown),
            ("/api/secrets", Route::Unknown),
            ("/api", Route::Unknown),
            ("/api%2Fsecrets/a", Route::Unknown),
            ("/secrets/a", Route::Unknown),
            ("//api/secrets/a", Route::Unknown),
            ("api/secrets/a", Route::Unknown),
            ("*", Route::Unknown),
            ("", Route::Unknown),
            ("//", Route::Unknown),
        ] {
            assert_eq!(Route::of(path), route, "{path}");
        }
    }
}
