//! Tables as text: sections of rows, one fact a line, its columns parted by tabs.
//!
//! `== TITLE` begins a section and `#` a comment. In a column `\t`, `\n`, `\r`, `\\` and `\xHH` stand for bytes,
//! `<TEXT*9>` for nine times TEXT, and `<empty>` alone for nothing.

/// The rows below one title.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) title: String,
    pub(crate) rows: Vec<Row>,
}

/// The columns of one line.
#[derive(Debug)]
pub(crate) struct Row {
    /// The line as it is written, to name the row when it fails.
    pub(crate) text: String,
    pub(crate) columns: Vec<Vec<u8>>,
}

impl Row {
    /// A column that is text.
    pub(crate) fn word(&self, index: usize) -> &str {
        std::str::from_utf8(&self.columns[index]).unwrap_or_else(|error| panic!("{}: {error}", self.text))
    }
}

/// Reads a table; a row before the first section is a mistake.
pub(crate) fn read(text: &str) -> Vec<Section> {
    let mut sections = Vec::<Section>::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(title) = line.strip_prefix("== ") {
            sections.push(Section {
                title: title.to_owned(),
                rows: Vec::new(),
            });
        } else {
            let section = sections.last_mut().unwrap_or_else(|| panic!("no section: {line}"));
            section.rows.push(Row {
                text: line.to_owned(),
                columns: line.split('\t').map(|column| unescape(&repeat(column))).collect(),
            });
        }
    }
    sections
}

/// Writes out every `<TEXT*9>`.
fn repeat(column: &str) -> String {
    if column == "<empty>" {
        return String::new();
    }
    let mut written = String::new();
    let mut rest = column;
    while let Some((before, after)) = rest.split_once('<') {
        written.push_str(before);
        let times = after.split_once('>').and_then(|(inner, behind)| {
            let (text, count) = inner.rsplit_once('*')?;
            Some((text.repeat(count.parse().ok()?), behind))
        });
        if let Some((text, behind)) = times {
            written.push_str(&text);
            rest = behind;
        } else {
            written.push('<');
            rest = after;
        }
    }
    written + rest
}

fn unescape(column: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = column.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match (byte, byte == b'\\') {
            (byte, false) => byte,
            (_, true) => match rest.next() {
                Some(b't') => b'\t',
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(b'\\') => b'\\',
                Some(b'x') => {
                    let digits: String = rest.by_ref().take(2).map(char::from).collect();
                    u8::from_str_radix(&digits, 16).unwrap_or_else(|error| panic!("{column}: {error}"))
                }
                other => panic!("{column}: \\{other:?}"),
            },
        });
    }
    bytes
}
