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

    /// Shows the platform's CORS list.
    pub fn show_origins(&self) -> String {
        self.line("cors show", &[])
    }

    /// Shows a setting's value.
    pub fn show_setting(&self, name: &str) -> String {
        let query = format!("[?name=='{name}'].value");
        self.line(
            "config appsettings list",
            &words(&["--query", &query, "--output", "tsv"]),
        )
    }

    /// Shows every setting.
    pub fn show_settings(&self) -> String {
        self.line("config appsettings list", &words(&["--output", "table"]))
    }

    /// Changes a setting.
    pub fn set_setting(&self, name: &str, value: &str) -> String {
        let pair = format!("{name}={value}");
        self.line("config appsettings set", &words(&["--settings", &pair]))
    }

    /// Removes a setting, so that its default holds.
    pub fn delete_setting(&self, name: &str) -> String {
        self.line("config appsettings delete", &words(&["--setting-names", name]))
    }

    /// Makes the platform redirect http to https.
    pub fn require_https(&self) -> String {
        self.line("update", &words(&["--set", "httpsOnly=true"]))
    }

    /// Prints the default key of a function.
    pub fn show_key(&self, function: &str) -> String {
        let arguments = ["--function-name", function, "--query", "default", "--output", "tsv"];
        self.line("function keys list", &words(&arguments))
    }

    /// Lists the functions that are deployed.
    pub fn list_functions(&self) -> String {
        self.line("function list", &words(&["--output", "table"]))
    }

    /// Shows whether the app runs, and its address.
    pub fn show_state(&self) -> String {
        self.line("show", &words(&["--query", "[state, defaultHostName]"]))
    }

    /// Starts an app that is stopped.
    pub fn start(&self) -> String {
        self.line("start", &[])
    }

    /// Shows who may reach the app.
    pub fn show_access_restrictions(&self) -> String {
        self.line("config access-restriction show", &[])
    }

    /// Shows the app's own managed identity.
    pub fn show_identity(&self) -> String {
        self.line("identity show", &[])
    }

    /// Turns the platform's built-in authentication off.
    pub fn disable_authentication(&self) -> String {
        self.command("az webapp", "auth update", &words(&["--enabled", "false"]))
    }

    fn line(&self, command: &str, arguments: &[String]) -> String {
        self.command("az functionapp", command, arguments)
    }

    fn command(&self, group: &str, command: &str, arguments: &[String]) -> String {
        let mut line = format!(
            "{group} {command} --name {} --resource-group {}",
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

fn words(arguments: &[&str]) -> Vec<String> {
    arguments.iter().map(|&argument| argument.to_owned()).collect()
}

/// `text` as one word of a POSIX shell. Characters that would not show, or that are not ASCII, are escaped: the text may
/// come from the platform's own list.
fn quoted(text: &str) -> String {
    let is_plain = text
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b':' | b'/' | b'.' | b'-' | b'_' | b'='));
    if is_plain && !text.is_empty() {
        text.to_owned()
    } else {
        let visible: String = text.chars().flat_map(visible).collect();
        if visible.contains('\'') && !visible.contains(['"', '$', '`', '\\', '!']) {
            return format!("\"{visible}\"");
        }
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
        assert!(
            app.set_setting("A", "x,https://*.a.com")
                .ends_with("--settings 'A=x,https://*.a.com'")
        );
        // Readable where a shell expands nothing between double quotes.
        assert!(
            app.show_setting("A")
                .ends_with("--query \"[?name=='A'].value\" --output tsv")
        );
    }
}
