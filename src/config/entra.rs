//! `ENTRA_*`: who must prove who they are, and how.

use std::collections::HashSet;
use std::time::Duration;

use url::Url;

use super::is_guid;
use super::reader::{Reader, elements};
use crate::access::Requirement;
use crate::host;
use crate::token;

const TENANT: &str = "ENTRA_TENANT_ID";
const AUDIENCE: &str = "ENTRA_AUDIENCE";
const SCOPES: &str = "ENTRA_REQUIRED_SCOPES";
const ROLES: &str = "ENTRA_REQUIRED_ROLES";
const CLIENTS: &str = "ENTRA_ALLOWED_CLIENTS";
const AUTHORITY: &str = "ENTRA_AUTHORITY_HOST";
const PUBLIC_AUTHORITY: &str = "https://login.microsoftonline.com";

/// Audiences of services whose tokens a caller may hold for other reasons: a
/// token for Key Vault, Microsoft Graph or Resource Manager says nothing about
/// this app, and must never be sent to it. Hosts of all clouds, and app ids.
const NOT_OURS: [&str; 16] = [
    "vault.azure.net",
    "vault.azure.cn",
    "vault.usgovcloudapi.net",
    "vault.microsoftazure.de",
    "cfa8b339-82a2-471a-a3c9-0fc0be7a4093",
    "graph.microsoft.com",
    "graph.microsoft.us",
    "dod-graph.microsoft.us",
    "microsoftgraph.chinacloudapi.cn",
    "graph.windows.net",
    "00000003-0000-0000-c000-000000000000",
    "management.azure.com",
    "management.core.windows.net",
    "management.usgovcloudapi.net",
    "management.chinacloudapi.cn",
    "797f4846-ba00-4fd7-ba43-dac1f8f63013",
];

/// Whose tokens are accepted and what they need, when both the tenant and the audience are set; half a set-up is
/// a fault, because whoever wrote it believes that callers are checked.
pub(super) fn read(reader: &mut Reader<'_>, timeout: Duration) -> Option<(token::Options, Requirement)> {
    let tenant = reader.optional(TENANT);
    let audience = reader.optional(AUDIENCE);
    let scopes = words(reader, SCOPES);
    let roles = words(reader, ROLES);
    let clients = clients(reader);
    let authority = authority(reader);
    let (tenant, audience) = match (tenant, audience) {
        (Some(tenant), Some(audience)) => (tenant, audience),
        (None, None) => {
            for (name, is_set) in [
                (SCOPES, scopes.is_some()),
                (ROLES, roles.is_some()),
                (CLIENTS, clients.is_some()),
            ] {
                if is_set {
                    reader.fault(
                        name,
                        format!("it checks nobody without {TENANT} and {AUDIENCE}; set both, or remove it"),
                    );
                }
            }
            return None;
        }
        (Some(_), None) => {
            reader.fault(
                AUDIENCE,
                format!("it is required with {TENANT}: the audience of your app's tokens"),
            );
            return None;
        }
        (None, Some(_)) => {
            reader.fault(TENANT, format!("it is required with {AUDIENCE}: the tenant's GUID"));
            return None;
        }
    };
    check_tenant(reader, &tenant);
    if scopes.is_none() && roles.is_none() {
        reader.fault(
            SCOPES,
            format!("with Entra on, at least one of {SCOPES} and {ROLES} is required: any signed-in user of the tenant would be let in"),
        );
    }
    let headers = reader.text_or_empty("ALLOWED_HEADERS");
    if headers.is_some_and(|list| !elements(&list).any(|(_, name)| name.eq_ignore_ascii_case("authorization"))) {
        reader.warn(
            "ALLOWED_HEADERS",
            "without authorization in it no page can send the token that Entra callers need",
        );
    }
    let options = token::Options {
        authority: authority?,
        tenant: tenant.to_ascii_lowercase(),
        audiences: audiences(reader, &audience),
        timeout,
    };
    let requirement = Requirement {
        scopes: scopes.unwrap_or_default(),
        roles: roles.unwrap_or_default(),
        clients: clients.unwrap_or_default(),
    };
    Some((options, requirement))
}

fn check_tenant(reader: &mut Reader<'_>, tenant: &str) {
    let meta = ["common", "organizations", "consumers"];
    if meta.iter().any(|name| tenant.eq_ignore_ascii_case(name)) {
        reader.fault(
            TENANT,
            "it stands for every tenant there is; write your own tenant's GUID",
        );
    } else if !is_guid(tenant) {
        reader.fault(TENANT, "it is not a GUID; write the tenant's id, not its domain");
    }
}

fn audiences(reader: &mut Reader<'_>, list: &str) -> Vec<String> {
    let mut audiences = Vec::new();
    for (place, element) in elements(list) {
        let of_form = element.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\');
        let host = element.split_once("://").map_or(element, |(_, rest)| rest);
        let host = host.split(['/', ':']).next().unwrap_or_default().to_ascii_lowercase();
        let is_vault = NOT_OURS
            .iter()
            .take(4)
            .any(|suffix| host.ends_with(&format!(".{suffix}")));
        if element.is_empty() {
            reader.fault(AUDIENCE, format!("element {place}: it is empty; remove the comma"));
        } else if !of_form {
            reader.fault(
                AUDIENCE,
                format!("element {place}: it has a character that no audience has"),
            );
        } else if NOT_OURS.contains(&host.as_str()) || is_vault {
            reader.fault(
                AUDIENCE,
                format!(
                    "element {place}: it is Key Vault's, Microsoft Graph's or Resource Manager's, whose tokens must \
                     never be sent here; write your own app's App ID URI or client id"
                ),
            );
        } else {
            audiences.push(element.to_owned());
        }
    }
    audiences
}

/// The elements of a list of scopes or roles; `None` when it is not set.
fn words(reader: &mut Reader<'_>, name: &str) -> Option<HashSet<String>> {
    let list = reader.optional(name)?;
    let mut words = HashSet::new();
    for (place, element) in elements(&list) {
        let of_form = element.bytes().all(|b| b.is_ascii_graphic());
        if element.is_empty() {
            reader.fault(name, format!("element {place}: it is empty; remove the comma"));
        } else if !of_form {
            reader.fault(
                name,
                format!("element {place}: it has a space or a character outside ASCII; separate by commas"),
            );
        } else if name == SCOPES && element.contains('/') {
            reader.fault(
                name,
                format!("element {place}: a token has the scope's name alone; write what stands behind the last /"),
            );
        } else {
            words.insert(element.to_owned());
        }
    }
    Some(words)
}

fn clients(reader: &mut Reader<'_>) -> Option<HashSet<String>> {
    let list = reader.optional(CLIENTS)?;
    let mut clients = HashSet::new();
    for (place, element) in elements(&list) {
        if is_guid(element) {
            clients.insert(element.to_ascii_lowercase());
        } else {
            reader.fault(
                CLIENTS,
                format!("element {place}: it is not a GUID; write the client id of the app registration"),
            );
        }
    }
    Some(clients)
}

/// The authority's root, over TLS or on this machine.
fn authority(reader: &mut Reader<'_>) -> Option<Url> {
    let text = reader
        .optional(AUTHORITY)
        .unwrap_or_else(|| PUBLIC_AUTHORITY.to_owned());
    match parse_authority(&text) {
        Ok(url) => Some(url),
        Err(message) => {
            reader.fault(AUTHORITY, message);
            None
        }
    }
}

fn parse_authority(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|_| format!("it is not a URL; write {PUBLIC_AUTHORITY} or another cloud's"))?;
    let host = url.host_str().unwrap_or_default();
    if host.is_empty() || !url.username().is_empty() || url.password().is_some() {
        return Err(format!(
            "it is not https and a host; write {PUBLIC_AUTHORITY} or another cloud's"
        ));
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err("it is more than a host; the tenant is ENTRA_TENANT_ID's".into());
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if url.host().is_some_and(|host| host::is_loopback(&host)) => Ok(url),
        _ => Err(
            "keys that came over plain http could be anybody's; write https (http is for a stand-in on this machine)"
                .into(),
        ),
    }
}
