//! JSON as the Functions host and Core Tools read it: with comments, trailing commas, a byte order mark and in UTF-16 too,
//! and with names in any case.

use std::borrow::Cow;

use jsonc_parser::ast;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

/// Newtonsoft's JSON reader, which both use, takes these; what it does not take is off.
const OPTIONS: ParseOptions = ParseOptions {
    allow_comments: true,
    allow_loose_object_property_names: true,
    allow_trailing_commas: true,
    allow_missing_commas: false,
    allow_single_quoted_strings: true,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json {
    Null,
    Boolean(bool),
    /// As it is written.
    Number(String),
    Text(String),
    Array(Vec<Json>),
    /// Every member in its order, repeated names included.
    Object(Vec<(String, Json)>),
}

/// Where a text stops being JSON, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed {
    pub(super) line: usize,
    pub(super) column: usize,
}

impl Json {
    /// Reads a file's bytes.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let text = text(bytes)?;
        let parsed = parse_to_ast(&text, &CollectOptions::default(), &OPTIONS).map_err(|error| Malformed {
            line: error.line_display(),
            column: error.column_display(),
        })?;
        match parsed.value {
            Some(value) => Ok(value.into()),
            None => Err(place_behind(text.as_bytes(), text.len())),
        }
    }

    /// The members of an object with this name in any case; none of anything else.
    pub(super) fn members<'a>(&'a self, name: &'static str) -> impl Iterator<Item = &'a Self> {
        let members = match self {
            Self::Object(members) => members.as_slice(),
            _ => &[],
        };
        members
            .iter()
            .filter(move |(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// The elements of an array; none of anything else.
    pub(super) fn elements(&self) -> &[Self] {
        match self {
            Self::Array(elements) => elements,
            _ => &[],
        }
    }

    /// Whether it is this text in any case.
    pub(super) fn is_text(&self, text: &str) -> bool {
        matches!(self, Self::Text(own) if own.eq_ignore_ascii_case(text))
    }
}

impl From<ast::Value<'_>> for Json {
    fn from(value: ast::Value<'_>) -> Self {
        match value {
            ast::Value::NullKeyword(_) => Self::Null,
            ast::Value::BooleanLit(boolean) => Self::Boolean(boolean.value),
            ast::Value::NumberLit(number) => Self::Number(number.value.to_owned()),
            ast::Value::StringLit(text) => Self::Text(text.value.into_owned()),
            ast::Value::Array(array) => Self::Array(array.elements.into_iter().map(Self::from).collect()),
            ast::Value::Object(object) => Self::Object(
                object
                    .properties
                    .into_iter()
                    .map(|member| (member.name.into_string(), member.value.into()))
                    .collect(),
            ),
        }
    }
}

/// What the bytes say in the encoding that their byte order mark names, else in UTF-8. PowerShell writes UTF-16.
fn text(bytes: &[u8]) -> Result<Cow<'_, str>, Malformed> {
    let utf16 = |rest: &[u8], unit: fn([u8; 2]) -> u16| {
        let units = rest.as_chunks().0.iter().copied().map(unit);
        char::decode_utf16(units)
            .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect()
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => Ok(Cow::Owned(utf16(rest, u16::from_le_bytes))),
        [0xfe, 0xff, rest @ ..] => Ok(Cow::Owned(utf16(rest, u16::from_be_bytes))),
        [0xef, 0xbb, 0xbf, bytes @ ..] | bytes => std::str::from_utf8(bytes)
            .map(Cow::Borrowed)
            .map_err(|error| place_behind(bytes, error.valid_up_to())),
    }
}

/// The line and column of the byte at `offset`.
fn place_behind(bytes: &[u8], offset: usize) -> Malformed {
    let before = bytes.get(..offset).unwrap_or(bytes);
    let line_start = before.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
    Malformed {
        line: before.split(|&b| b == b'\n').count(),
        column: before.len() - line_start + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_core_tools_reads_is_read() {
        for text in [
            "{\"a\": [1, true, \"x\"]}",
            "\u{feff}{\"a\": [1, true, \"x\",],}",
            "// first\n{\"a\": /* second */ [1, true, \"x\"]} // third",
            "{'a': [1, true, 'x']}",
            "{a: [1, true, \"x\"]}",
        ] {
            let json = Json::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error:?}"));
            let expected = [Json::Number("1".into()), Json::Boolean(true), Json::Text("x".into())];
            assert_eq!(json.members("A").next().unwrap().elements(), expected, "{text}");
        }
    }

    #[test]
    fn utf_16_is_read_by_its_byte_order_mark() {
        let units = || "\u{feff}{\"a\": \"\u{1f511}\"}".encode_utf16();
        let little: Vec<u8> = units().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = units().flat_map(u16::to_be_bytes).collect();
        for bytes in [little, big] {
            let json = Json::parse(&bytes).unwrap();
            assert!(json.members("a").next().unwrap().is_text("\u{1f511}"));
        }
    }

    #[test]
    fn what_is_no_json_is_told_where() {
        for (text, line) in [
            (&b""[..], 1),
            (b"{\n\"a\": 1\n\"b\" 2}", 2),
            (b"{\n  \"a\": \xff\n}", 2),
            (b"{\"a\": 0x10}", 1),
            (b"{} {}", 1),
            (b"// nothing\n", 2),
        ] {
            let error = Json::parse(text).expect_err("no JSON");
            assert_eq!(error.line, line, "{}: {error:?}", String::from_utf8_lossy(text));
        }
    }
}
