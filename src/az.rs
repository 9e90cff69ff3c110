//! Command lines of the Azure CLI that change a function app, for people to copy into a POSIX shell.

/// Where `az` finds this app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App {
    /// The function app's name.
    pub name: String,
    /// Its resource group.
    pub group: String,
}

impl App {
    /// The app that the platform names; placeholders where it does not say.
    pub fn new(name: Option<&str>, group: Option<&str>) -> Self {
        Self {
            name: name.unwrap_or("APP").to_owned(),
            group: group.unwrap_or("GROUP").to_owned(),
        }
    }

    /// Gives the app a managed identity of its own.
    pub fn assign_identity(&self) -> String {
        self.line("identity assign", &[])
    }

    /// Adds origins to the platform's CORS list.
    pub fn add_origins(&self, origins: &[String]) -> String {
        self.line("cors add", &with_option("--allowed-origins", origins))
    }

    /// Removes origins from the platform's CORS list.
    pub fn remove_origins(&self, origins: &[String]) -> String {
        self.line("cors remove", &with_option("--allowed-origins", origins))
    }

    /// Makes the platform's CORS answers allow credentials, or not.
    pub fn set_credentials(&self, enable: bool) -> String {
        self.line("cors credentials", &["--enable".to_owned(), enable.to_string()])
    }

    fn line(&self, command: &str, arguments: &[String]) -> String {
        let mut line = format!(
            "az functionapp {command} --name {} --resource-group {}",
            quoted(&self.name),
            quoted(&self.group)
        );
        for argument in arguments {
            line.push(' ');
            line.push_str(&quoted(argument));
        }
        line
    }
}

fn with_option(option: &str, values: &[String]) -> Vec<String> {
    std::iter::once(option.to_owned())
        .chain(values.iter().cloned())
        .collect()
}

/// `text` as one word of a POSIX shell. Characters that would not show, or that are not ASCII, are escaped: the text may
/// come from the platform's own list.
fn quoted(text: &str) -> String {
    let is_plain = text
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b':' | b'/' | b'.' | b'-' | b'_'));
    if is_plain && !text.is_empty() {
        text.to_owned()
    } else {
        let visible: String = text.chars().flat_map(visible).collect();
        format!("'{}'", visible.replace('\'', "'\\''"))
    }
}

fn visible(c: char) -> impl Iterator<Item = char> {
    let is_visible = c.is_ascii_graphic() || c == ' ';
    let escaped = (!is_visible).then(|| c.escape_default());
    is_visible.then_some(c).into_iter().chain(escaped.into_iter().flatten())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_one_word_of_a_shell() {
        let app = App::new(Some("web"), None);
        assert_eq!(
            app.assign_identity(),
            "az functionapp identity assign --name web --resource-group GROUP"
        );
        assert_eq!(
            app.add_origins(&["https://a.com".into(), "http://[::1]:3000".into(), "*".into()]),
            "az functionapp cors add --name web --resource-group GROUP \
             --allowed-origins https://a.com 'http://[::1]:3000' '*'"
        );
        assert_eq!(
            app.remove_origins(&["it's\n\\".into(), String::new()]),
            "az functionapp cors remove --name web --resource-group GROUP --allowed-origins 'it'\\''s\\n\\' ''"
        );
        assert!(app.set_credentials(false).ends_with("--enable false"));
    }
}
