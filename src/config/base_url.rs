//! URLs that are a scheme, a host and perhaps a port: the vault's and the authority's.

use url::Url;

/// Reads a URL that is nothing but a scheme, a host and perhaps a port, with at most one slash behind it.
///
/// `Url` repairs texts such as `https:kv`, `https:\\kv` or `/x/..`, and the secret would then be read from a host that
/// nobody meant: such a text is refused.
///
/// # Errors
/// What is wrong with it, which never repeats it.
pub(super) fn parse(text: &str) -> Result<Url, &'static str> {
    if !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("it has a space or a character outside ASCII");
    }
    let url = Url::parse(text).map_err(|_| "it is not a URL")?;
    if url.host().is_none() {
        return Err("it has no host");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it has a user name or password in front of the host");
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err("it names more than a host (a path, a query or a fragment)");
    }
    if url.port() == Some(0) {
        return Err("its port is 0; a port is 1 to 65535");
    }
    if url.host_str().is_some_and(|host| host.ends_with('.')) {
        return Err("its host ends with a dot");
    }
    if !is_as_written(text, &url) {
        return Err("it is not in the form of a URL with nothing but a host");
    }
    Ok(url)
}

/// Whether `url` is `text` but for one slash, the case of its letters and the scheme's default port.
fn is_as_written(text: &str, url: &Url) -> bool {
    let canonical = url.as_str().trim_end_matches('/');
    let written = text.strip_suffix('/').unwrap_or(text);
    let default_port = match url.scheme() {
        "https" => ":443",
        _ => ":80",
    };
    let without_port = written.strip_suffix(default_port).unwrap_or(written);
    [written, without_port]
        .iter()
        .any(|text| text.eq_ignore_ascii_case(canonical))
}

/// Whether `text` writes a port, its scheme's default one too, which `Url` leaves out.
pub(super) fn has_port(text: &str) -> bool {
    let (_, authority) = split(text);
    authority.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'))
}

/// The URL with this scheme that was probably meant by a text that [`parse`] refuses: its host, and its port.
///
/// Never what stands in front of an `@`, or a text of several URLs: there is no telling what that is.
pub(super) fn suggestion(text: &str, scheme: &str) -> Option<Url> {
    let text = text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>'));
    let (own, authority) = split(text);
    let is_one_url = text.bytes().all(|b| b.is_ascii_graphic()) && !text.contains(['@', ',', ';', '"']);
    let is_of_the_web = matches!(own.to_ascii_lowercase().as_str(), "https" | "http" | "");
    if !is_one_url || !is_of_the_web || text.matches("://").count() > 1 {
        return None;
    }
    let url = Url::parse(&format!("{scheme}://{}", authority.trim_end_matches('.'))).ok()?;
    parse(url.as_str()).ok()
}

/// A text's scheme, empty where it has none, and its host and port.
fn split(text: &str) -> (&str, &str) {
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    (scheme, rest.split(['/', '\\', '?', '#']).next().unwrap_or_default())
}
