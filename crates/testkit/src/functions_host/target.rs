//! The request target: what the host's web server decodes, and what each mode makes of it for the handler.

use std::borrow::Cow;
use std::fmt::Write;

use url::{Url, form_urlencoded};

use super::Mode;

/// The path as the host's router sees it: decoded, with dot segments resolved. `None` for an encoded NUL, which the
/// server refuses. `%2F`, `%25` and what is not UTF-8 stay encoded.
pub(super) fn decode(path: &str) -> Option<String> {
    let mut decoded = String::new();
    let mut rest = path;
    while !rest.is_empty() {
        let run = encoded_run(rest);
        if run == 0 {
            let end = rest.char_indices().nth(1).map_or(rest.len(), |(index, _)| index);
            let (literal, behind) = rest.split_at(end);
            decoded.push_str(literal);
            rest = behind;
        } else {
            let (encoded, behind) = rest.split_at(run);
            decode_run(encoded, &mut decoded)?;
            rest = behind;
        }
    }
    Some(without_dot_segments(&decoded))
}

/// How many bytes of `%XX` the text begins with.
fn encoded_run(text: &str) -> usize {
    let is_encoded =
        |triple: &&[u8]| matches!(triple, [b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit());
    text.as_bytes().chunks(3).take_while(is_encoded).count() * 3
}

fn decode_run(encoded: &str, decoded: &mut String) -> Option<()> {
    let bytes: Vec<u8> = encoded
        .split('%')
        .skip(1)
        .filter_map(|digits| u8::from_str_radix(digits, 16).ok())
        .collect();
    let mut at = 0;
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\0' => return None,
                '/' | '%' => decoded.push_str(encoded.get(at * 3..at * 3 + 3)?),
                other => decoded.push(other),
            }
            at += character.len_utf8();
        }
        let end = at + chunk.invalid().len();
        decoded.push_str(encoded.get(at * 3..end * 3)?);
        at = end;
    }
    Some(())
}

/// RFC 3986, section 5.2.4.
fn without_dot_segments(path: &str) -> String {
    let mut kept = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            other => {
                kept.push(other);
                continue;
            }
        }
        if is_last {
            kept.push("");
        }
    }
    format!("/{}", kept.join("/"))
}

/// What is asked of the handler: path and query.
pub(super) fn for_handler(mode: Mode, decoded: &str, query: Option<&str>) -> Result<String, url::ParseError> {
    match mode {
        Mode::Proxying => {
            let mut target = encode(decoded);
            if let Some(query) = query {
                target = format!("{target}?{query}");
            }
            Ok(target)
        }
        Mode::Forwarding => forwarded(decoded, query.unwrap_or_default()),
    }
}

/// Encodes what may not stand in a path; a `%` here begins what was never decoded.
fn encode(path: &str) -> String {
    let mut encoded = String::new();
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/%".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// The older way builds a URL from the decoded text and parses it again, so a decoded `?` begins a query, a decoded `#`
/// ends everything and a space at the end is trimmed. Values of one name in the query are joined.
fn forwarded(decoded: &str, query: &str) -> Result<String, url::ParseError> {
    let mut joined = Vec::<(Cow<'_, str>, String)>::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match joined.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(&name)) {
            Some((_, values)) => {
                values.push(',');
                values.push_str(&value);
            }
            None => joined.push((name, value.into_owned())),
        }
    }
    let path = decoded.split('#').next().unwrap_or_default().replace("%25", "%");
    let path = if joined.is_empty() {
        path
    } else {
        path.trim_end().to_owned()
    };
    let mut url = Url::parse(&format!("http://127.0.0.1{path}"))?;
    if !joined.is_empty() {
        url.query_pairs_mut().extend_pairs(joined);
    }
    let target = match url.query() {
        // .NET writes `%20` for a space; the comma between joined values is left as it is.
        Some(query) => format!("{}?{}", url.path(), query.replace('+', "%20").replace("%2C", ",")),
        None => url.path().to_owned(),
    };
    Ok(target)
}
