//! What the platform around this process is set to, as far as it shows: its own CORS list, and whether an identity is
//! assigned.

use super::reader::Reader;
use crate::az;
use crate::cors::{AllowedOrigins, Origin, Pattern};

const LIST: &str = "CORS_ALLOWED_ORIGINS";
const CREDENTIALS: &str = "CORS_SUPPORT_CREDENTIALS";
const ENABLED: &str = "FUNCTIONS_ENABLE_CORS_CONFIGURATION";

/// The app that `az` commands are about.
pub(super) fn app(reader: &Reader<'_>) -> az::App {
    az::App::new(
        reader.platform("WEBSITE_SITE_NAME"),
        reader.platform("WEBSITE_RESOURCE_GROUP"),
    )
}

/// Warns of what makes reads or preflights fail. Without `origins` the CORS list has nothing to be compared with.
pub(super) fn check(reader: &mut Reader<'_>, origins: Option<&AllowedOrigins>, app: &az::App) {
    check_identity(reader, app);
    if let Some(origins) = origins {
        check_cors(reader, origins, app);
    }
}

/// Warns of an app without an identity, or with one that cannot be used: every read would fail.
fn check_identity(reader: &mut Reader<'_>, app: &az::App) {
    const ENDPOINT: &str = "IDENTITY_ENDPOINT";
    let is_set = |reader: &Reader<'_>, name| reader.platform(name).is_some();
    if is_set(reader, ENDPOINT) {
        // App Service gives a secret header beside the endpoint, Azure Arc the address of its metadata service.
        if is_set(reader, "IMDS_ENDPOINT") && !is_set(reader, "IDENTITY_HEADER") {
            reader.warn(
                ENDPOINT,
                "it is an Azure Arc machine's, whose identity cannot be used here; set AZURE_TOKEN_CREDENTIALS=dev and \
                 sign in with az login, or run as a function app",
            );
        }
    } else if reader.is_deployed() {
        reader.warn(
            ENDPOINT,
            format!(
                "this app has no managed identity, so the vault cannot be read; assign one: {}",
                app.assign_identity()
            ),
        );
    }
}

/// The platform's own CORS list, beside what this handler allows.
struct Platform<'a> {
    list: &'a [String],
    has_credentials: bool,
    /// Who answers preflights from the list, as the beginning of a sentence.
    who: &'static str,
    app: &'a az::App,
}

/// Warns when the platform's own CORS list differs from ours. Flex Consumption and Linux Consumption answer every
/// preflight from it.
fn check_cors(reader: &mut Reader<'_>, origins: &AllowedOrigins, app: &az::App) {
    let is_consumption = reader
        .platform("WEBSITE_SKU")
        .is_some_and(|sku| sku.eq_ignore_ascii_case("FlexConsumption") || sku.eq_ignore_ascii_case("Dynamic"));
    let host_answers = is_consumption || reader.platform_is_on(ENABLED);
    let text = reader.platform(LIST).unwrap_or("[]");
    let Ok(list) = serde_json::from_str::<Vec<String>>(text) else {
        reader.warn(
            LIST,
            "it is not a JSON array of strings, so the platform's CORS list cannot be compared; the platform sets it, so \
             remove it from the app settings",
        );
        return;
    };
    let platform = Platform {
        list: &list,
        has_credentials: reader.platform_is_on(CREDENTIALS),
        who: if host_answers {
            "the platform answers preflights here, from its own list"
        } else {
            "the Functions host does not answer preflights on this plan, but Azure's front end may, from the platform's \
             own list"
        },
        app,
    };
    if list.is_empty() {
        if host_answers {
            reader.warn(
                LIST,
                format!(
                    "{}, and that is empty: every preflight will fail; {}",
                    platform.who,
                    mirror(origins, app)
                ),
            );
        }
    } else if platform.has_any() && platform.has_credentials {
        warn_of_any_with_credentials(reader, &platform);
    } else {
        compare(reader, &platform, origins);
        compare_credentials(reader, &platform, origins);
    }
}

impl Platform<'_> {
    fn has_any(&self) -> bool {
        self.list.iter().any(|origin| origin == "*")
    }
}

fn warn_of_any_with_credentials(reader: &mut Reader<'_>, platform: &Platform<'_>) {
    reader.warn(
        LIST,
        format!(
            "it has `*` while {CREDENTIALS} is on: where the Functions host applies them, it answers every request with \
             an empty 500; {}",
            platform.app.remove_origins(&["*".to_owned()])
        ),
    );
}

/// Warns of each way in which the list differs from `origins`.
fn compare(reader: &mut Reader<'_>, platform: &Platform<'_>, origins: &AllowedOrigins) {
    let AllowedOrigins::Listed { patterns, .. } = origins else {
        let message = if platform.has_any() {
            "the platform's CORS list has `*`, as ALLOWED_ORIGINS has".to_owned()
        } else {
            format!(
                "{}, which lacks `*`, as ALLOWED_ORIGINS has it: preflights from other origins fail; {}",
                platform.who,
                platform.app.add_origins(&["*".to_owned()])
            )
        };
        reader.warn(LIST, message);
        return;
    };
    if platform.has_any() {
        reader.warn(
            LIST,
            format!(
                "{}, which has `*`, so every preflight is allowed; {}",
                platform.who,
                platform.app.remove_origins(&["*".to_owned()])
            ),
        );
    }
    compare_patterns(reader, platform, patterns);
}

fn compare_patterns(reader: &mut Reader<'_>, platform: &Platform<'_>, patterns: &[Pattern]) {
    let (exact, wild): (Vec<_>, Vec<_>) = patterns.iter().partition(|pattern| pattern.is_exact());
    let exact = exact.iter().map(ToString::to_string);
    let missing: Vec<_> = exact.filter(|origin| !platform.list.contains(origin)).collect();
    if !missing.is_empty() {
        reader.warn(
            LIST,
            format!(
                "{}, which lacks origins of ALLOWED_ORIGINS; {}",
                platform.who,
                platform.app.add_origins(&missing)
            ),
        );
    }
    let other = platform.list.iter().filter(|origin| *origin != "*");
    let other: Vec<_> = other.filter(|origin| !is_allowed(origin, patterns)).cloned().collect();
    if !other.is_empty() {
        reader.warn(
            LIST,
            format!(
                "{}, which has origins that ALLOWED_ORIGINS does not allow; {}",
                platform.who,
                platform.app.remove_origins(&other)
            ),
        );
    }
    // With `*` in the list no preflight fails.
    if !wild.is_empty() && !platform.has_any() {
        let wild: Vec<_> = wild.iter().map(ToString::to_string).collect();
        reader.warn(
            LIST,
            format!(
                "{}, which knows no patterns: preflights for {} will fail; list the exact origins in both, or use a plan \
                 on which the Preflight function answers",
                platform.who,
                wild.join(", ")
            ),
        );
    }
}

fn is_allowed(origin: &str, patterns: &[Pattern]) -> bool {
    Origin::parse(origin.as_bytes()).is_ok_and(|origin| patterns.iter().any(|pattern| pattern.matches(&origin)))
}

fn compare_credentials(reader: &mut Reader<'_>, platform: &Platform<'_>, origins: &AllowedOrigins) {
    let ours = origins.with_credentials();
    if ours != platform.has_credentials {
        reader.warn(
            CREDENTIALS,
            format!(
                "the platform's CORS credentials are {}, ALLOW_CREDENTIALS is {ours}; {}",
                platform.has_credentials,
                platform.app.set_credentials(ours)
            ),
        );
    }
}

/// The command that gives the platform the exact origins of `origins`, or why there is none.
fn mirror(origins: &AllowedOrigins, app: &az::App) -> String {
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
    app.add_origins(&exact)
}

/// The commands that mirror the whole policy to the platform.
pub(super) fn mirror_all(origins: &AllowedOrigins, app: &az::App) -> Vec<String> {
    let credentials = origins.with_credentials().then(|| app.set_credentials(true));
    std::iter::once(mirror(origins, app)).chain(credentials).collect()
}
