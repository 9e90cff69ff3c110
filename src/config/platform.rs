//! What the platform around this process is set to, as far as it shows: its
//! own CORS list, and whether an identity is assigned.

use super::reader::Reader;
use crate::cors::{AllowedOrigins, Origin, Pattern};

const LIST: &str = "CORS_ALLOWED_ORIGINS";
const CREDENTIALS: &str = "CORS_SUPPORT_CREDENTIALS";

/// Where `az` finds this app; placeholders where the platform does not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct App {
    name: String,
    group: String,
}

impl App {
    pub(super) fn read(reader: &Reader<'_>) -> Self {
        let or = |name, placeholder: &str| reader.platform(name).unwrap_or_else(|| placeholder.to_owned());
        Self {
            name: or("WEBSITE_SITE_NAME", "APP"),
            group: or("WEBSITE_RESOURCE_GROUP", "GROUP"),
        }
    }

    /// An `az functionapp` command on this app.
    pub(super) fn az(&self, command: &str, arguments: &str) -> String {
        format!(
            "az functionapp {command} --name {} --resource-group {} {arguments}",
            self.name, self.group
        )
        .trim_end()
        .to_owned()
    }

    /// The command that adds origins to the platform's list, or removes them.
    fn az_cors(&self, verb: &str, origins: &[impl AsRef<str>]) -> String {
        let words: Vec<_> = origins.iter().map(|origin| quoted(origin.as_ref())).collect();
        self.az(
            &format!("cors {verb}"),
            &format!("--allowed-origins {}", words.join(" ")),
        )
    }
}

/// Warns of an app without an identity: every read would fail.
pub(super) fn check_identity(reader: &mut Reader<'_>, app: &App) {
    let deployed = reader.is_deployed();
    if deployed && reader.platform("IDENTITY_ENDPOINT").is_none() {
        reader.warn(
            "IDENTITY_ENDPOINT",
            format!(
                "this app has no managed identity, so the vault cannot be read; assign one: {}",
                app.az("identity assign", "")
            ),
        );
    }
}

/// Warns when the platform's own CORS list, which answers the preflights on
/// Flex Consumption and Linux Consumption, differs from ours.
pub(super) fn check_cors(reader: &mut Reader<'_>, origins: &AllowedOrigins, app: &App) {
    let answers_itself = reader
        .platform("WEBSITE_SKU")
        .is_some_and(|sku| sku.eq_ignore_ascii_case("FlexConsumption") || sku.eq_ignore_ascii_case("Dynamic"))
        || reader
            .platform("FUNCTIONS_ENABLE_CORS_CONFIGURATION")
            .is_some_and(|value| is_on(&value));
    let text = reader.platform(LIST).unwrap_or_else(|| "[]".to_owned());
    let Ok(list) = serde_json::from_str::<Vec<String>>(&text) else {
        reader.warn(
            LIST,
            "it is not a JSON array of strings, so the platform's CORS list cannot be compared",
        );
        return;
    };
    if list.is_empty() {
        if answers_itself {
            reader.warn(
                LIST,
                format!(
                    "on this plan the platform answers preflights from its own list, which is empty: every preflight \
                     will fail; {}",
                    add(origins, app)
                ),
            );
        }
        return;
    }
    compare(reader, &list, origins, app);
    compare_credentials(reader, origins, app);
}

/// Warns of each way in which `list` differs from `origins`.
fn compare(reader: &mut Reader<'_>, list: &[String], origins: &AllowedOrigins, app: &App) {
    let has_wildcard = list.iter().any(|origin| origin == "*");
    let AllowedOrigins::Listed { patterns, .. } = origins else {
        reader.warn(
            LIST,
            if has_wildcard {
                "the platform's CORS list has `*`, as ALLOWED_ORIGINS has"
            } else {
                "ALLOWED_ORIGINS is `*`, but the platform answers preflights for its own list alone"
            },
        );
        return;
    };
    if has_wildcard {
        reader.warn(
            LIST,
            format!(
                "the platform's CORS list has `*`, so it allows every preflight; {}",
                app.az_cors("remove", &["*"])
            ),
        );
    }
    let (exact, wild): (Vec<_>, Vec<_>) = patterns.iter().partition(|pattern| pattern.is_exact());
    let exact: Vec<_> = exact.iter().map(ToString::to_string).collect();
    let missing: Vec<_> = exact.iter().filter(|origin| !list.contains(origin)).cloned().collect();
    if !missing.is_empty() {
        reader.warn(
            LIST,
            format!(
                "the platform answers preflights from its own list, which lacks origins of ALLOWED_ORIGINS; {}",
                app.az_cors("add", &missing)
            ),
        );
    }
    let other: Vec<_> = list
        .iter()
        .filter(|origin| *origin != "*" && !is_allowed(origin, patterns))
        .collect();
    if !other.is_empty() {
        reader.warn(
            LIST,
            format!(
                "the platform's own list allows preflights from origins that ALLOWED_ORIGINS does not list; {}",
                app.az_cors("remove", &other)
            ),
        );
    }
    if !wild.is_empty() {
        let wild: Vec<_> = wild.iter().map(ToString::to_string).collect();
        reader.warn(
            LIST,
            format!(
                "the platform answers preflights, and knows no patterns: preflights for {} will fail; list the exact \
                 origins in both, or use a plan on which the Preflight function answers",
                wild.join(", ")
            ),
        );
    }
}

fn is_allowed(origin: &str, patterns: &[Pattern]) -> bool {
    Origin::parse(origin.as_bytes()).is_ok_and(|origin| patterns.iter().any(|pattern| pattern.matches(&origin)))
}

fn compare_credentials(reader: &mut Reader<'_>, origins: &AllowedOrigins, app: &App) {
    let ours = origins.with_credentials();
    let platforms = reader.platform(CREDENTIALS).is_some_and(|value| is_on(&value));
    if ours != platforms {
        reader.warn(
            CREDENTIALS,
            format!(
                "the platform's CORS credentials are {platforms}, ALLOW_CREDENTIALS is {ours}; {}",
                app.az("cors credentials", &format!("--enable {ours}"))
            ),
        );
    }
}

/// The command that mirrors the exact origins, or why there is none.
pub(super) fn add(origins: &AllowedOrigins, app: &App) -> String {
    let exact: Vec<_> = match origins {
        AllowedOrigins::Any => vec!["*".to_owned()],
        AllowedOrigins::Listed { patterns, .. } => patterns
            .iter()
            .filter(|pattern| pattern.is_exact())
            .map(ToString::to_string)
            .collect(),
    };
    if exact.is_empty() {
        return "it knows exact origins only, and ALLOWED_ORIGINS has none".to_owned();
    }
    app.az_cors("add", &exact)
}

/// How the platform writes that something is on.
fn is_on(value: &str) -> bool {
    value == "1" || value.eq_ignore_ascii_case("true")
}

/// `text` as one word of a POSIX shell.
fn quoted(text: &str) -> String {
    let plain = text
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b':' | b'/' | b'.' | b'-' | b'_'));
    if plain && !text.is_empty() {
        text.to_owned()
    } else {
        format!("'{}'", text.escape_default().to_string().replace('\'', "'\\''"))
    }
}
