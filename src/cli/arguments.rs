//! What the command line asks for.

use std::ffi::OsString;

use keyvault_cors::config::{Fallback, RULE_PARTS, SETTINGS};
use lexopt::{Arg, Error, Parser, ValueExt};

use super::smoke;

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Serve until the process is to stop.
    Serve {
        /// A local.settings.json to read as well.
        settings: Option<OsString>,
    },
    /// Validate and explain the configuration.
    Check(Check),
    /// Ask a deployed app.
    Smoke(smoke::Arguments),
    /// Print [`usage`].
    Help,
    /// Print the version.
    Version,
}

/// The options of `handler check`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Check {
    /// A local.settings.json to read as well.
    pub(crate) settings: Option<OsString>,
    /// An origin to decide on.
    pub(crate) origin: Option<String>,
    /// A secret's name to decide on.
    pub(crate) secret: Option<String>,
}

impl Command {
    /// Reads the arguments behind the program's name.
    ///
    /// # Errors
    /// When they are not of [`usage`]'s form.
    pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, Error> {
        let mut parser = Parser::from_args(arguments);
        let mut settings = None;
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Long("settings") => once(&mut settings, parser.value()?, "--settings")?,
                Arg::Long("help") | Arg::Short('h') => return end(&mut parser, Self::Help),
                Arg::Long("version") | Arg::Short('V') => return end(&mut parser, Self::Version),
                Arg::Value(command) if command == "check" => return parse_check(&mut parser, settings),
                Arg::Value(command) if command == "smoke" && settings.is_none() => return parse_smoke(&mut parser),
                other => return Err(other.unexpected()),
            }
        }
        Ok(Self::Serve { settings })
    }
}

fn parse_check(parser: &mut Parser, settings: Option<OsString>) -> Result<Command, Error> {
    let mut check = Check {
        settings,
        ..Check::default()
    };
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("settings") => once(&mut check.settings, parser.value()?, "--settings")?,
            Arg::Long("origin") => once(&mut check.origin, parser.value()?.string()?, "--origin")?,
            Arg::Long("secret") => once(&mut check.secret, parser.value()?.string()?, "--secret")?,
            Arg::Long("help") | Arg::Short('h') => return end(parser, Command::Help),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Command::Check(check))
}

fn parse_smoke(parser: &mut Parser) -> Result<Command, Error> {
    let (mut url, mut origin, mut refused_origin, mut secret) = (None, None, None, None);
    let (mut key, mut token) = (None, None);
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("origin") => once(&mut origin, parser.value()?.string()?, "--origin")?,
            Arg::Long("refused-origin") => once(&mut refused_origin, parser.value()?.string()?, "--refused-origin")?,
            Arg::Long("secret") => once(&mut secret, parser.value()?.string()?, "--secret")?,
            Arg::Long("key") => once(&mut key, credential(parser)?, "--key")?,
            Arg::Long("token") => once(&mut token, credential(parser)?, "--token")?,
            Arg::Long("help") | Arg::Short('h') => return end(parser, Command::Help),
            Arg::Value(value) if url.is_none() => url = Some(value.string()?),
            // Not repeated: it may be a key that lacks its option.
            Arg::Value(_) => return Err("smoke asks one URL".into()),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Command::Smoke(smoke::Arguments {
        url: url.ok_or("smoke needs the app's URL")?,
        origin: origin.ok_or("smoke needs --origin")?,
        refused_origin,
        secret,
        key,
        token,
    }))
}

/// The value of an option. What is not Unicode keeps a replacement character, which no credential has, so that no error
/// repeats it.
fn credential(parser: &mut Parser) -> Result<smoke::Credential, Error> {
    let value = parser.value()?;
    Ok(smoke::Credential::new(value.to_string_lossy().into_owned()))
}

/// `command`, when nothing follows it.
fn end(parser: &mut Parser, command: Command) -> Result<Command, Error> {
    match parser.next()? {
        None => Ok(command),
        Some(argument) => Err(argument.unexpected()),
    }
}

fn once<T>(place: &mut Option<T>, value: T, option: &str) -> Result<(), Error> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("option '{option}' is given twice").into()),
    }
}

/// How `handler` is called, and every setting.
pub(crate) fn usage() -> String {
    let mut text = String::from(
        "\
Serves allowed Key Vault secrets to allowed origins, as an Azure Functions custom handler.

Usage:
  handler [--settings FILE]  serve on 127.0.0.1, on FUNCTIONS_CUSTOMHANDLER_PORT or 7071
  handler check [options]    validate the configuration and explain it, without any network
      --settings FILE        also read `Values` of a local.settings.json; the environment wins
      --origin ORIGIN        may a page at ORIGIN read answers?
      --secret NAME          may the secret NAME be served, and by which rule?
  handler smoke URL --origin ORIGIN [options]
                             ask the deployed app at URL what a browser would, and say for each failure
                             what to change
      --origin ORIGIN        an origin that the app allows
      --refused-origin ORIGIN
                             one that it refuses (https://not-allowed.invalid)
      --secret NAME          a secret that it serves
      --key KEY              a function key; better set SMOKE_KEY, because other users can see command lines
      --token TOKEN          an Entra access token; better set SMOKE_TOKEN
  handler --help             this text
  handler --version          the version

Settings are environment variables, with their defaults:
",
    );
    text.extend(SETTINGS.iter().map(|setting| {
        let default = match setting.default {
            Fallback::Required(_) => "required",
            Fallback::Value(value) | Fallback::Without(value) => value,
        };
        format!("  {} ({default})\n      {}\n", setting.name, plain(setting.meaning))
    }));
    text.push_str("  RULES__NAME__PART, NAME of A to Z and 0 to 9: narrower rules for some of the secrets\n");
    text.extend(RULE_PARTS.iter().map(|part| {
        let (default, meaning) = (plain(part.default), plain(part.meaning));
        format!("      {} ({default}): {meaning}\n", part.name)
    }));
    text.push_str(
        "
Exit codes: 0 done, or stopped by SIGTERM or SIGINT without the Functions host; 143 and 130 stopped
by one of them under it; 77 `check` was asked about an origin or a secret that is refused;
78 the configuration is faulty; 1 a check of `smoke` failed, or any other failure.
",
    );
    text
}

/// Markdown of one sentence without its marks.
fn plain(markdown: &str) -> String {
    markdown.replace('`', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Option<Command> {
        Command::parse(line.split_whitespace().map(OsString::from)).ok()
    }

    #[test]
    fn every_form_of_the_usage_is_read_and_no_other() {
        assert_eq!(parse(""), Some(Command::Serve { settings: None }));
        for line in ["--settings local.settings.json", "--settings=local.settings.json"] {
            let settings = Some("local.settings.json".into());
            assert_eq!(parse(line), Some(Command::Serve { settings }), "{line}");
        }
        for help in ["--help", "-h", "check --help"] {
            assert_eq!(parse(help), Some(Command::Help), "{help}");
        }
        assert_eq!(parse("--version"), Some(Command::Version));
        assert_eq!(parse("check"), Some(Command::Check(Check::default())));
        let all = || {
            Some(Command::Check(Check {
                settings: Some("local.settings.json".into()),
                origin: Some("https://contoso.com".into()),
                secret: Some("maps-key".into()),
            }))
        };
        for line in [
            "check --settings local.settings.json --origin https://contoso.com --secret maps-key",
            "check --secret=maps-key --origin=https://contoso.com --settings=local.settings.json",
            "--settings local.settings.json check --origin https://contoso.com --secret maps-key",
        ] {
            assert_eq!(parse(line), all(), "{line}");
        }
    }

    #[test]
    fn smoke_is_read_and_an_argument_that_may_be_a_key_is_not_repeated() {
        let credential = |text: &str| Some(smoke::Credential::new(text.to_owned()));
        let all = smoke::Arguments {
            url: "https://a".to_owned(),
            origin: "https://b".to_owned(),
            refused_origin: Some("https://c".to_owned()),
            secret: Some("d".to_owned()),
            key: credential("e"),
            token: credential("f"),
        };
        let line = "smoke https://a --origin https://b --refused-origin https://c --secret d --key e --token f";
        assert_eq!(parse(line), Some(Command::Smoke(all)));
        let few = smoke::Arguments {
            url: "https://a".to_owned(),
            origin: "https://b".to_owned(),
            ..smoke::Arguments::default()
        };
        assert_eq!(parse("smoke --origin=https://b https://a"), Some(Command::Smoke(few)));
        assert_eq!(parse("smoke --help"), Some(Command::Help));
        for line in [
            "smoke",
            "smoke https://a",
            "smoke --origin https://b",
            "smoke https://a --origin https://b k3y",
            "smoke https://a --origin https://b --key k3y --key k3y",
            "--settings a smoke https://a --origin https://b",
        ] {
            let error = Command::parse(line.split(' ').map(OsString::from)).unwrap_err();
            assert!(!error.to_string().contains("k3y"), "{error}");
        }
    }

    #[test]
    fn any_other_command_line_is_refused() {
        for line in [
            "serve",
            "--port 1",
            "--settings",
            "--settings a --settings b",
            "--settings a check --settings b",
            "--origin https://contoso.com",
            "check --origin",
            "check --port 1",
            "check x",
            "check --origin a --origin b",
            "--help check",
            "--version=1",
        ] {
            assert_eq!(parse(line), None, "{line}");
        }
    }

    #[test]
    fn the_usage_names_every_setting_and_part_of_a_rule() {
        let usage = usage();
        for name in SETTINGS.iter().map(|setting| setting.name) {
            assert!(usage.contains(name), "{name}");
        }
        for part in RULE_PARTS {
            assert!(usage.contains(part.name), "{}", part.name);
        }
        assert!(!usage.contains('`') || usage.contains("`Values`"));
    }
}
