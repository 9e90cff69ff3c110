//! The table of all settings. The check of names, `handler check`, `handler --help`, the table in the README and the
//! checks of `infra/` are made from it.

/// One setting: an environment variable, an app setting in Azure, an entry of `Values` in local.settings.json.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The variable's name.
    pub name: &'static str,
    /// What holds when it is not set.
    pub default: Fallback,
    /// The form of its value.
    pub kind: Kind,
    /// What an empty value means.
    pub empty: Empty,
    /// What it does, in one sentence of Markdown.
    pub meaning: &'static str,
}

/// What holds when a setting is not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// Nothing is served; the example is part of the fault.
    Required(&'static str),
    /// The same as this value.
    Value(&'static str),
    /// No value; a word for what holds instead.
    Without(&'static str),
}

/// The form of a setting's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A form of its own, which its meaning tells.
    Text,
    /// `true` or `false`.
    Boolean,
    /// A whole number from the first to the second.
    Number(u32, u32),
    /// One of these words.
    Choice(&'static [&'static str]),
}

/// What an empty value means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Empty {
    /// A mistake.
    Fault,
    /// The same as a setting that is not set.
    Unset,
    /// What the words say.
    Means(&'static str),
}

impl Setting {
    /// A setting without which nothing is served.
    const fn required(name: &'static str, example: &'static str, meaning: &'static str) -> Self {
        Self {
            name,
            default: Fallback::Required(example),
            kind: Kind::Text,
            empty: Empty::Fault,
            meaning,
        }
    }

    const fn boolean(name: &'static str, default: &'static str, meaning: &'static str) -> Self {
        Self {
            name,
            default: Fallback::Value(default),
            kind: Kind::Boolean,
            empty: Empty::Fault,
            meaning,
        }
    }

    const fn number(
        name: &'static str,
        default: &'static str,
        (min, max): (u32, u32),
        empty: Empty,
        meaning: &'static str,
    ) -> Self {
        Self {
            name,
            default: Fallback::Value(default),
            kind: Kind::Number(min, max),
            empty,
            meaning,
        }
    }

    /// A text setting whose empty value has a meaning.
    const fn text(name: &'static str, default: Fallback, empty: Empty, meaning: &'static str) -> Self {
        Self {
            name,
            default,
            kind: Kind::Text,
            empty,
            meaning,
        }
    }
}

/// Longest time that a number of seconds can say.
const DAY: u32 = 86_400;

pub(super) const KEY_VAULT_URL: Setting = Setting::required(
    "KEY_VAULT_URL",
    "https://YOUR-VAULT.vault.azure.net",
    "`https://NAME.vault.azure.net`, or another cloud's",
);
pub(super) const ALLOWED_SECRETS: Setting = Setting::required(
    "ALLOWED_SECRETS",
    "maps-key",
    "comma-separated names; a trailing `*` allows a prefix; a bare `*` needs `DANGEROUSLY_ALLOW_ANY_SECRET=true`",
);
pub(super) const ALLOWED_ORIGINS: Setting = Setting::required(
    "ALLOWED_ORIGINS",
    "https://app.contoso.com",
    "comma-separated, no spaces: `https://app.contoso.com`, `https://*.contoso.com` (subdomains, not the apex), \
     `http://localhost:*` (any port); `*` needs `DANGEROUSLY_ALLOW_ANY_ORIGIN=true` and no credentials",
);
pub(super) const ALLOW_CREDENTIALS: Setting = Setting::boolean(
    "ALLOW_CREDENTIALS",
    "false",
    "send `Access-Control-Allow-Credentials: true`",
);
pub(super) const ALLOWED_HEADERS: Setting = Setting::text(
    "ALLOWED_HEADERS",
    Fallback::Value("authorization,x-functions-key,x-ms-client-request-id,x-ms-useragent,traceparent,tracestate"),
    Empty::Means("no header"),
    "comma-separated names of request headers that scripts may send",
);
pub(super) const EXPOSED_HEADERS: Setting = Setting::text(
    "EXPOSED_HEADERS",
    Fallback::Value("retry-after,www-authenticate,x-ms-client-request-id,x-ms-request-id"),
    Empty::Means("no header"),
    "comma-separated names of response headers that scripts may read",
);
pub(super) const PREFLIGHT_MAX_AGE: Setting = Setting::number(
    "PREFLIGHT_MAX_AGE_SECONDS",
    "600",
    (0, DAY),
    Empty::Means("the header is left out"),
    "how long browsers may keep the answer to a preflight",
);
pub(super) const REQUIRE_ORIGIN: Setting = Setting::boolean(
    "REQUIRE_ORIGIN",
    "true",
    "refuse requests without `Origin`; false behind a reverse proxy on the page's own origin",
);
pub(super) const CACHE_TTL: Setting = Setting::number(
    "CACHE_TTL_SECONDS",
    "300",
    (0, DAY),
    Empty::Fault,
    "how long a copy of a secret is fresh; 0 keeps nothing",
);
pub(super) const CACHE_STALE: Setting = Setting::number(
    "CACHE_STALE_SECONDS",
    "3600",
    (0, DAY),
    Empty::Fault,
    "how long past its TTL a copy may be served while the vault is unreachable, throttling or failing",
);
pub(super) const PREFETCH: Setting = Setting::boolean(
    "PREFETCH",
    "true",
    "fetch the exact names of `ALLOWED_SECRETS` at start",
);
pub(super) const UPSTREAM_TIMEOUT: Setting = Setting::number(
    "UPSTREAM_TIMEOUT_SECONDS",
    "5",
    (1, 60),
    Empty::Fault,
    "the longest that a caller waits for the vault, token and retries included",
);
pub(super) const REQUIRED_TAG: Setting = Setting::text(
    "REQUIRED_TAG",
    Fallback::Without("none"),
    Empty::Unset,
    "`NAME` or `NAME=VALUE`: serve a secret only if it carries this tag in the vault",
);
pub(super) const AZURE_CLIENT_ID: Setting = Setting::text(
    "AZURE_CLIENT_ID",
    Fallback::Without("none"),
    Empty::Unset,
    "client id of a user-assigned identity",
);
pub(super) const AZURE_TOKEN_CREDENTIALS: Setting = Setting {
    name: "AZURE_TOKEN_CREDENTIALS",
    default: Fallback::Without("by environment"),
    kind: Kind::Choice(&["prod", "dev"]),
    empty: Empty::Unset,
    meaning: "`prod`: managed identity; `dev`: `az login` or `azd auth login`",
};
pub(super) const ENTRA_TENANT_ID: Setting = Setting::text(
    "ENTRA_TENANT_ID",
    Fallback::Without("none"),
    Empty::Unset,
    "a tenant's GUID: with `ENTRA_AUDIENCE`, callers need an Entra access token of this tenant",
);
pub(super) const ENTRA_AUDIENCE: Setting = Setting::text(
    "ENTRA_AUDIENCE",
    Fallback::Without("none"),
    Empty::Unset,
    "comma-separated audiences of your app's tokens, both or neither with `ENTRA_TENANT_ID`; a challenge names the first",
);
pub(super) const ENTRA_REQUIRED_SCOPES: Setting = Setting::text(
    "ENTRA_REQUIRED_SCOPES",
    Fallback::Without("none"),
    Empty::Unset,
    "any one of these scopes, or of the roles, lets a caller in; with Entra on at least one is required",
);
pub(super) const ENTRA_REQUIRED_ROLES: Setting = Setting::text(
    "ENTRA_REQUIRED_ROLES",
    Fallback::Without("none"),
    Empty::Unset,
    "any one of these app roles, or of the scopes, lets a caller in",
);
pub(super) const ENTRA_ALLOWED_CLIENTS: Setting = Setting::text(
    "ENTRA_ALLOWED_CLIENTS",
    Fallback::Without("any"),
    Empty::Unset,
    "client ids of the apps that a token may have been issued to",
);
pub(super) const ENTRA_AUTHORITY_HOST: Setting = Setting::text(
    "ENTRA_AUTHORITY_HOST",
    Fallback::Value("https://login.microsoftonline.com"),
    Empty::Unset,
    "the authority of your cloud, where metadata and signing keys are fetched",
);
pub(super) const ALLOW_ANONYMOUS: Setting = Setting::boolean(
    "DANGEROUSLY_ALLOW_ANONYMOUS",
    "false",
    "start although `GetSecret/function.json` says `anonymous` and Entra is off",
);
pub(super) const ALLOW_ANY_ORIGIN: Setting = Setting::boolean(
    "DANGEROUSLY_ALLOW_ANY_ORIGIN",
    "false",
    "accept `*` in `ALLOWED_ORIGINS`",
);
pub(super) const ALLOW_ANY_SECRET: Setting = Setting::boolean(
    "DANGEROUSLY_ALLOW_ANY_SECRET",
    "false",
    "accept `*` in `ALLOWED_SECRETS`",
);
pub(super) const LOG_FORMAT: Setting = Setting {
    name: "LOG_FORMAT",
    default: Fallback::Value("text"),
    kind: Kind::Choice(&["text", "json"]),
    empty: Empty::Fault,
    meaning: "how a log line looks; `text` or `json`",
};
pub(super) const RUST_LOG: Setting = Setting::text(
    "RUST_LOG",
    Fallback::Value("warn,keyvault_cors=info"),
    Empty::Unset,
    "tracing's filter directives; dependencies never log below warn",
);
/// One part of a rule: the setting `RULES__NAME__PART`.
#[derive(Clone, Copy, Debug)]
pub struct RulePart {
    /// What stands behind the rule's name.
    pub name: &'static str,
    /// What holds when it is not set.
    pub default: &'static str,
    /// What it does, in one sentence of Markdown.
    pub meaning: &'static str,
}

/// Every part of a rule, in the order of the README's table.
pub const RULE_PARTS: [RulePart; 7] = [
    RulePart {
        name: "SECRETS",
        default: "required",
        meaning: "the secrets that the rule decides on, as in `ALLOWED_SECRETS` and inside it",
    },
    RulePart {
        name: "ORIGINS",
        default: "all",
        meaning: "only these origins, each inside `ALLOWED_ORIGINS`",
    },
    RulePart {
        name: "SCOPES",
        default: "any",
        meaning: "with Entra: any one of these scopes, or of the roles",
    },
    RulePart {
        name: "ROLES",
        default: "any",
        meaning: "with Entra: any one of these app roles, or of the scopes",
    },
    RulePart {
        name: "CLIENTS",
        default: "any",
        meaning: "with Entra: one of these client ids",
    },
    RulePart {
        name: "CACHE_TTL_SECONDS",
        default: "`CACHE_TTL_SECONDS`",
        meaning: "0 to 86400: how long a copy of these secrets is fresh",
    },
    RulePart {
        name: "GIVE",
        default: "the secret",
        meaning: "a short-lived credential that is made from the secret and given in its place",
    },
];

/// Set by the Functions host, so it is not in [`SETTINGS`].
pub(super) const PORT: Setting = Setting::number(
    "FUNCTIONS_CUSTOMHANDLER_PORT",
    "7071",
    (1, 65_535),
    Empty::Fault,
    "where to listen on 127.0.0.1; the Functions host sets it",
);

/// Every setting that an operator may set, in the order of the README's table.
pub const SETTINGS: [Setting; 26] = [
    KEY_VAULT_URL,
    ALLOWED_SECRETS,
    ALLOWED_ORIGINS,
    ALLOW_CREDENTIALS,
    ALLOWED_HEADERS,
    EXPOSED_HEADERS,
    PREFLIGHT_MAX_AGE,
    REQUIRE_ORIGIN,
    CACHE_TTL,
    CACHE_STALE,
    PREFETCH,
    UPSTREAM_TIMEOUT,
    REQUIRED_TAG,
    AZURE_CLIENT_ID,
    AZURE_TOKEN_CREDENTIALS,
    ENTRA_TENANT_ID,
    ENTRA_AUDIENCE,
    ENTRA_REQUIRED_SCOPES,
    ENTRA_REQUIRED_ROLES,
    ENTRA_ALLOWED_CLIENTS,
    ENTRA_AUTHORITY_HOST,
    ALLOW_ANONYMOUS,
    ALLOW_ANY_ORIGIN,
    ALLOW_ANY_SECRET,
    LOG_FORMAT,
    RUST_LOG,
];
