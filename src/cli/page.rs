//! A page of text: titles, and rows of a label and its values.

/// Characters of a line of values, where it can be broken.
const WIDTH: usize = 100;

/// A page in the making.
#[derive(Debug, Default)]
pub(crate) struct Page(String);

impl Page {
    /// The page so far.
    pub(crate) fn into_text(self) -> String {
        self.0
    }

    /// Begins a section.
    pub(crate) fn title(&mut self, title: &str) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        self.0.push_str(title);
        self.0.push('\n');
    }

    /// A line of a section.
    pub(crate) fn line(&mut self, line: &str) {
        self.0.push_str("  ");
        self.0.push_str(line.trim_end());
        self.0.push('\n');
    }

    /// A label in a column of this width, and its values, one a line.
    pub(crate) fn row(&mut self, width: usize, label: &str, values: &[String]) {
        let mut label = label;
        for value in values {
            let gap = if label.len() < width { "" } else { "  " };
            self.line(&format!("{label:<width$}{gap}{value}"));
            label = "";
        }
    }
}

/// A list on as many lines as it needs, broken behind its commas.
pub(crate) fn broken<'a>(elements: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut lines = vec![String::new()];
    for element in elements {
        let is_full = lines
            .last()
            .is_some_and(|line| !line.is_empty() && line.chars().count() + element.chars().count() > WIDTH);
        if is_full {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            line.push_str(element);
            line.push_str(", ");
        }
    }
    let last = lines.len().saturating_sub(1);
    for (index, line) in lines.iter_mut().enumerate() {
        let end = if index == last { ", " } else { " " };
        if let Some(trimmed) = line.strip_suffix(end) {
            *line = trimmed.to_owned();
        }
    }
    lines
}

/// Text from outside on one line, whatever it holds. Quotes stay as they are: there are command lines to paste in it.
pub(crate) fn visible(text: &str) -> String {
    let mut visible = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\'' | '"' => visible.push(c),
            _ => visible.extend(c.escape_debug()),
        }
    }
    visible
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_stays_on_its_line_and_can_be_pasted() {
        assert_eq!(
            visible("az … 'a' \"b\"\n\u{1b}[0m\u{202e}"),
            "az … 'a' \"b\"\\n\\u{1b}[0m\\u{202e}"
        );
    }

    #[test]
    fn a_long_list_is_broken_behind_its_commas() {
        assert_eq!(broken(["a", "b"]), ["a, b"]);
        let long = "x".repeat(60);
        assert_eq!(
            broken([&*long, &*long, "y"]),
            [format!("{long},"), format!("{long}, y")]
        );
        assert_eq!(broken([]), [""]);
    }
}
