//! `ENTRA_*`: who must prove who they are, and what they need.

use std::collections::HashSet;
use std::time::Duration;

use url::Url;

use super::key_vault::VaultUrl;
use super::reader::{Reader, elements, is_guid};
use super::settings::{
    ALLOWED_HEADERS, ENTRA_ALLOWED_CLIENTS, ENTRA_AUDIENCE, ENTRA_AUTHORITY_HOST, ENTRA_REQUIRED_ROLES,
    ENTRA_REQUIRED_SCOPES, ENTRA_TENANT_ID, Fallback,
};
use super::{base_url, key_vault};
use crate::access::Requirement;
use crate::{host, secret, token};

const TENANT: &str = ENTRA_TENANT_ID.name;
const AUDIENCE: &str = ENTRA_AUDIENCE.name;
const SCOPES: &str = ENTRA_REQUIRED_SCOPES.name;
const ROLES: &str = ENTRA_REQUIRED_ROLES.name;
const CLIENTS: &str = ENTRA_ALLOWED_CLIENTS.name;

/// Hosts of services whose tokens a caller may hold for other reasons, besides Key Vault's: such a token says nothing
/// about this app, and must never be sent to it. Microsoft Graph, Azure AD Graph, and Resource Manager by its new and its
/// old name, in the public cloud, US Government, China, Germany's former cloud and the two sealed ones.
const OTHER_SERVICES: [&str; 27] = [
    "graph.microsoft.com",
    "graph.microsoft.us",
    "dod-graph.microsoft.us",
    "microsoftgraph.chinacloudapi.cn",
    "graph.microsoft.de",
    "graph.windows.net",
    "graph.microsoftazure.us",
    "graph.chinacloudapi.cn",
    "graph.cloudapi.de",
    "management.azure.com",
    "management.usgovcloudapi.net",
    "management.chinacloudapi.cn",
    "management.microsoftazure.de",
    "management.core.windows.net",
    "management.core.usgovcloudapi.net",
    "management.core.chinacloudapi.cn",
    "management.core.cloudapi.de",
    "graph.microsoft.scloud",
    "graph.cloudapi.microsoft.scloud",
    "management.azure.microsoft.scloud",
    "management.core.microsoft.scloud",
    "graph.eaglex.ic.gov",
    "graph.cloudapi.eaglex.ic.gov",
    "management.azure.eaglex.ic.gov",
    "management.core.eaglex.ic.gov",
    // Key Vault there: no more is known of its names than this.
    "vault.cloudapi.microsoft.scloud",
    "vault.cloudapi.eaglex.ic.gov",
];
/// The same services' app ids, which are one in every cloud: Key Vault, managed HSM, Microsoft Graph, Azure AD Graph,
/// Resource Manager.
const OTHER_APP_IDS: [&str; 5] = [
    "cfa8b339-82a2-471a-a3c9-0fc0be7a4093",
    "589d5083-6f11-4d30-a62a-a4b316a14abf",
    "00000003-0000-0000-c000-000000000000",
    "00000002-0000-0000-c000-000000000000",
    "797f4846-ba00-4fd7-ba43-dac1f8f63013",
];

/// Whose tokens are accepted and what they need, when both the tenant and the audience are set; half a set-up is a fault,
/// because whoever wrote it believes that callers are checked.
///
/// Whether they are set comes with it, so that other parts can tell a faulty set-up from none.
pub(super) fn read(
    reader: &mut Reader<'_>,
    timeout: Duration,
    vault: Option<&VaultUrl>,
) -> (bool, Option<(token::Options, Requirement)>) {
    let is_set = |setting| reader.own_text(setting).is_some_and(|text| !text.is_empty());
    let is_on = is_set(&ENTRA_TENANT_ID) || is_set(&ENTRA_AUDIENCE);
    (is_on, read_both(reader, timeout, vault))
}

fn read_both(
    reader: &mut Reader<'_>,
    timeout: Duration,
    vault: Option<&VaultUrl>,
) -> Option<(token::Options, Requirement)> {
    let tenant = reader.text(&ENTRA_TENANT_ID);
    if let Some(tenant) = tenant {
        check_tenant(reader, tenant);
    }
    let audiences = reader
        .text(&ENTRA_AUDIENCE)
        .map(|list| read_audiences(reader, list, vault));
    let scopes = reader
        .text(&ENTRA_REQUIRED_SCOPES)
        .map(|list| read_scopes(reader, SCOPES, list));
    let roles = reader
        .text(&ENTRA_REQUIRED_ROLES)
        .map(|list| read_words(reader, ROLES, list));
    let clients = reader
        .text(&ENTRA_ALLOWED_CLIENTS)
        .map(|list| read_clients(reader, CLIENTS, list));
    let authority = read_authority(reader);
    let parts = [
        (SCOPES, scopes.is_some()),
        (ROLES, roles.is_some()),
        (CLIENTS, clients.is_some()),
    ];
    check_halves(reader, tenant.is_some(), audiences.is_some(), parts);
    let options = token::Options {
        authority: authority?,
        tenant: tenant?.to_ascii_lowercase(),
        audiences: audiences?,
        timeout,
    };
    warn_of_headers(reader);
    let requirement = Requirement {
        scopes: scopes.unwrap_or_default(),
        roles: roles.unwrap_or_default(),
        clients: clients.unwrap_or_default(),
    };
    Some((options, requirement))
}

/// A fault where the tenant or the audience is missing, or what a caller needs, or a part of the set-up is there without
/// them.
fn check_halves(reader: &mut Reader<'_>, has_tenant: bool, has_audience: bool, parts: [(&str, bool); 3]) {
    if !has_tenant && !has_audience {
        for (name, _) in parts.into_iter().filter(|(_, is_set)| *is_set) {
            reader.fault(
                name,
                format!("it checks nobody without {TENANT} and {AUDIENCE}; set both, or remove it"),
            );
        }
        return;
    }
    if !has_audience {
        reader.fault(
            AUDIENCE,
            format!("it is required with {TENANT}: the audience of your app's tokens"),
        );
    }
    if !has_tenant {
        reader.fault(TENANT, format!("it is required with {AUDIENCE}: the tenant's GUID"));
    }
    let [(_, has_scopes), (_, has_roles), _] = parts;
    if !has_scopes && !has_roles {
        reader.fault(
            SCOPES,
            format!(
                "with Entra on, at least one of {SCOPES} and {ROLES} is required: any signed-in user of the tenant would \
                 be let in"
            ),
        );
    }
}

fn check_tenant(reader: &mut Reader<'_>, tenant: &str) {
    let meta = ["common", "organizations", "consumers"];
    if meta.iter().any(|name| tenant.eq_ignore_ascii_case(name)) {
        reader.fault(
            TENANT,
            "it stands for every tenant there is; use your own tenant's GUID",
        );
    } else if !is_guid(tenant) {
        reader.fault(TENANT, "it is not a GUID; use the tenant's id, not its domain");
    }
}

fn warn_of_headers(reader: &mut Reader<'_>) {
    let has_authorization = |list: &str| elements(list).any(|(_, name)| name.eq_ignore_ascii_case("authorization"));
    if reader
        .own_text(&ALLOWED_HEADERS)
        .is_some_and(|list| !has_authorization(list))
    {
        reader.warn(
            ALLOWED_HEADERS.name,
            "without authorization in it no page can send the token that Entra callers need",
        );
    }
}

fn read_audiences(reader: &mut Reader<'_>, list: &str, vault: Option<&VaultUrl>) -> Vec<String> {
    let mut audiences = Vec::new();
    for (place, element) in elements(list) {
        if element.is_empty() {
            reader.fault(AUDIENCE, format!("element {place}: it is empty; remove the comma"));
        } else if !element.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\') {
            reader.fault(
                AUDIENCE,
                format!("element {place}: it has a character that no audience has"),
            );
        } else if is_another_service(element, vault) {
            reader.fault(
                AUDIENCE,
                format!(
                    "element {place}: it is Key Vault's, Microsoft Graph's or Resource Manager's, whose tokens must \
                     never be sent here; use your own app's App ID URI or client id"
                ),
            );
        } else {
            audiences.push(element.to_owned());
        }
    }
    audiences
}

/// Whether tokens for `audience` are another service's, this `vault` among them: by its host, with or without a scheme, or
/// its app id.
fn is_another_service(audience: &str, vault: Option<&VaultUrl>) -> bool {
    let audience = audience.to_ascii_lowercase();
    let id = audience.strip_prefix("spn:").unwrap_or(&audience);
    let behind_scheme = id.split_once("://").map_or(id, |(_, rest)| rest);
    let host = behind_scheme.split(['/', ':', '?', '#']).next().unwrap_or_default();
    let host = host.trim_end_matches('.');
    let is_at_or_below = |suffix: &str| {
        host.strip_suffix(suffix)
            .is_some_and(|front| front.is_empty() || front.ends_with('.'))
    };
    vault.is_some_and(|vault| vault.host == host)
        || OTHER_APP_IDS.contains(&host)
        || OTHER_SERVICES.into_iter().any(is_at_or_below)
        || key_vault::suffixes().any(is_at_or_below)
        || key_vault::hsm_suffixes().any(is_at_or_below)
}

/// The scopes of a list, by their names alone.
pub(super) fn read_scopes(reader: &mut Reader<'_>, name: &str, list: &str) -> HashSet<String> {
    for (place, element) in elements(list).filter(|(_, element)| element.contains('/')) {
        let advice = match name_of_qualified_scope(element) {
            Some(scope) => format!("write {scope}"),
            None => "that is what stands behind the last /".to_owned(),
        };
        reader.fault(
            name,
            format!("element {place}: a token has the scope's name alone; {advice}"),
        );
    }
    read_words(reader, name, list)
}

/// What stands behind the audience in `api://AUDIENCE/SCOPE` or `https://HOST/PATH/SCOPE`. Of anything else nothing may be
/// repeated: it could be a secret in the wrong place.
fn name_of_qualified_scope(element: &str) -> Option<&str> {
    let (_, rest) = element.split_once("://")?;
    let (audience, scope) = rest.rsplit_once('/')?;
    let is_name = !scope.is_empty() && scope.bytes().all(|b| b.is_ascii_graphic());
    (is_name && audience.split('/').all(|part| !part.is_empty())).then_some(scope)
}

/// The elements of a list of scopes or roles.
pub(super) fn read_words(reader: &mut Reader<'_>, name: &str, list: &str) -> HashSet<String> {
    let mut words = HashSet::new();
    for (place, element) in elements(list) {
        if element.is_empty() {
            reader.fault(name, format!("element {place}: it is empty; remove the comma"));
        } else if element.bytes().all(|b| b.is_ascii_graphic()) {
            words.insert(element.to_owned());
        } else {
            reader.fault(
                name,
                format!("element {place}: it has a space or a character outside ASCII; separate by commas"),
            );
        }
    }
    words
}

/// The client ids of a list, in lower case.
pub(super) fn read_clients(reader: &mut Reader<'_>, name: &str, list: &str) -> HashSet<String> {
    let mut clients = HashSet::new();
    for (place, element) in elements(list) {
        if is_guid(element) {
            clients.insert(element.to_ascii_lowercase());
        } else {
            reader.fault(
                name,
                format!("element {place}: it is not a GUID; use the client id of the app registration"),
            );
        }
    }
    clients
}

/// The authority's root, over TLS or on this machine.
fn read_authority(reader: &mut Reader<'_>) -> Option<Url> {
    let text = reader.text(&ENTRA_AUTHORITY_HOST)?;
    match parse_authority(text) {
        Ok(url) => Some(url),
        Err(what) => {
            reader.fault(ENTRA_AUTHORITY_HOST.name, format!("{what}; {}", advice(text)));
            None
        }
    }
}

fn parse_authority(text: &str) -> Result<Url, &'static str> {
    let url = base_url::parse(text)?;
    match url.scheme() {
        "https" => Ok(url),
        "http" if url.host().is_some_and(|host| host::is_loopback(&host)) => Ok(url),
        "http" => {
            Err("keys that came over plain http could be anybody's, so http is for an authority on this machine only")
        }
        _ => Err("its scheme is not https"),
    }
}

/// "write URL" for the authority that was probably meant; the tenant is a setting of its own.
fn advice(text: &str) -> String {
    let is_word = !text.contains(['.', ':']) || secret::looks_like_a_key(text);
    let as_https = base_url::suggestion(text, "https").filter(|_| !is_word);
    let suggested = as_https.map(|url| url.as_str().trim_end_matches('/').to_owned());
    let suggested = suggested.filter(|url| parse_authority(url).is_ok());
    let Fallback::Value(public) = ENTRA_AUTHORITY_HOST.default else {
        return "use your cloud's authority".into();
    };
    let url = suggested.as_deref().unwrap_or(public);
    format!("write {url}; the tenant is {TENANT}'s")
}
