//! The command line.

/// How `handler` is called.
pub const USAGE: &str = "\
Serves allowed Key Vault secrets to allowed origins, as an Azure Functions custom handler.

Usage:
  handler                    serve on 127.0.0.1, on FUNCTIONS_CUSTOMHANDLER_PORT or 7071
  handler check [options]    validate the configuration and explain it, without any network
      --settings FILE        also read `Values` of a local.settings.json; the environment wins
      --origin ORIGIN        may a page at ORIGIN read answers?
      --secret NAME          may the secret NAME be served?
  handler --help             this text
  handler --version          the version

Settings are environment variables; KEY_VAULT_URL, ALLOWED_SECRETS and ALLOWED_ORIGINS
are required. The README has a table of all.

Exit codes: 0 done, or stopped by SIGTERM or SIGINT; 78 the configuration is faulty;
1 anything else.
";

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Serve until a signal.
    Serve,
    /// Validate and explain the configuration.
    Check(Check),
    /// Print [`USAGE`].
    Help,
    /// Print the version.
    Version,
}

/// The options of `handler check`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Check {
    /// A local.settings.json to read as well.
    pub settings: Option<String>,
    /// An origin to decide on.
    pub origin: Option<String>,
    /// A secret's name to decide on.
    pub secret: Option<String>,
}

impl Command {
    /// Reads the arguments behind the program's name; `None` when they are
    /// not of [`USAGE`]'s form.
    pub fn parse(arguments: &[String]) -> Option<Self> {
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        match arguments.as_slice() {
            [] => Some(Self::Serve),
            ["--help" | "-h"] | ["check", "--help" | "-h"] => Some(Self::Help),
            ["--version" | "-V"] => Some(Self::Version),
            ["check", options @ ..] => Check::parse(options).map(Self::Check),
            _ => None,
        }
    }
}

impl Check {
    fn parse(options: &[&str]) -> Option<Self> {
        let mut check = Self::default();
        let mut options = options.iter();
        while let Some(option) = options.next() {
            let (name, value) = match option.split_once('=') {
                Some((name, value)) => (name, value),
                None => (*option, *options.next()?),
            };
            let place = match name {
                "--settings" => &mut check.settings,
                "--origin" => &mut check.origin,
                "--secret" => &mut check.secret,
                _ => return None,
            };
            if place.replace(value.to_owned()).is_some() {
                return None;
            }
        }
        Some(check)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Option<Command> {
        let arguments: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        Command::parse(&arguments)
    }

    #[test]
    fn every_form_of_the_usage_is_read_and_no_other() {
        assert_eq!(parse(""), Some(Command::Serve));
        for help in ["--help", "-h", "check --help"] {
            assert_eq!(parse(help), Some(Command::Help), "{help}");
        }
        assert_eq!(parse("--version"), Some(Command::Version));
        assert_eq!(parse("check"), Some(Command::Check(Check::default())));
        let all = Check {
            settings: Some("local.settings.json".into()),
            origin: Some("https://contoso.com".into()),
            secret: Some("maps-key".into()),
        };
        for line in [
            "check --settings local.settings.json --origin https://contoso.com --secret maps-key",
            "check --secret=maps-key --origin=https://contoso.com --settings=local.settings.json",
        ] {
            assert_eq!(parse(line), Some(Command::Check(all.clone())), "{line}");
        }
        for line in [
            "serve",
            "--port 1",
            "check --origin",
            "check --port 1",
            "check x",
            "check --origin a --origin b",
            "--help check",
        ] {
            assert_eq!(parse(line), None, "{line}");
        }
    }
}
