//! `KEY_VAULT_URL`, the identity that reads it, and the tag that a secret needs: how the vault is read.

use std::time::Duration;

use url::Url;

use super::base_url;
use super::reader::{Reader, is_guid};
use super::settings::{AZURE_CLIENT_ID, AZURE_TOKEN_CREDENTIALS, KEY_VAULT_URL, REQUIRED_TAG};
use crate::host;
use crate::vault::{Identity, Options, RequiredTag};

/// A cloud's Key Vault: the DNS suffixes of vaults, of the names of their private endpoints, and of managed HSMs.
struct Cloud {
    vault: &'static str,
    private: &'static str,
    hsm: &'static str,
}

/// Public, China, US Government, and Germany's former cloud.
const CLOUDS: [Cloud; 4] = [
    Cloud {
        vault: "vault.azure.net",
        private: "vaultcore.azure.net",
        hsm: "managedhsm.azure.net",
    },
    Cloud {
        vault: "vault.azure.cn",
        private: "vaultcore.azure.cn",
        hsm: "managedhsm.azure.cn",
    },
    Cloud {
        vault: "vault.usgovcloudapi.net",
        private: "vaultcore.usgovcloudapi.net",
        hsm: "managedhsm.usgovcloudapi.net",
    },
    Cloud {
        vault: "vault.microsoftazure.de",
        private: "vaultcore.microsoftazure.de",
        hsm: "managedhsm.microsoftazure.de",
    },
];

/// DNS suffixes of vaults in every cloud.
pub(super) fn suffixes() -> impl Iterator<Item = &'static str> {
    CLOUDS.iter().map(|cloud| cloud.vault)
}

/// DNS suffixes of managed HSMs in every cloud.
pub(super) fn hsm_suffixes() -> impl Iterator<Item = &'static str> {
    CLOUDS.iter().map(|cloud| cloud.hsm)
}

/// The vault's address, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct VaultUrl {
    /// `https://HOST/`, with a port on loopback only.
    pub(super) url: String,
    /// Whether the host is this machine.
    pub(super) is_loopback: bool,
    pub(super) host: String,
}

pub(super) fn read_url(reader: &mut Reader<'_>) -> Option<VaultUrl> {
    let text = reader.text(&KEY_VAULT_URL)?;
    match VaultUrl::parse(text) {
        Ok(vault) => {
            vault.warn(reader);
            Some(vault)
        }
        Err(message) => {
            reader.fault(KEY_VAULT_URL.name, message);
            None
        }
    }
}

const FORM: &str = "write https://YOUR-VAULT.vault.azure.net";

impl VaultUrl {
    /// How to reach the vault, with what other settings say of it.
    pub(super) fn into_options(
        self,
        identity: Identity,
        timeout: Duration,
        required_tag: Option<RequiredTag>,
        has_exact_names: bool,
    ) -> Options {
        Options {
            url: self.url,
            loopback: self.is_loopback,
            identity,
            timeout,
            required_tag,
            has_exact_names,
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        let url = base_url::parse(text).map_err(|what| format!("{what}; {}", advice(text)))?;
        let is_loopback = is_loopback(&url);
        if url.scheme() != "https" {
            return Err(format!("its scheme is not https; {}", advice(text)));
        }
        if base_url::has_port(text) && !is_loopback {
            return Err(format!("it has a port, and a vault has none; {}", advice(text)));
        }
        let host = url.host_str().unwrap_or_default().to_owned();
        refuse_host(&host)?;
        Ok(Self {
            url: url.into(),
            is_loopback,
            host,
        })
    }

    fn warn(&self, reader: &mut Reader<'_>) {
        const NAME: &str = KEY_VAULT_URL.name;
        if self.host.starts_with("your-vault.") {
            reader.warn(NAME, "it is still the example's value; name your own vault");
        }
        if self.is_loopback && reader.is_deployed() {
            reader.warn(
                NAME,
                "it is an emulator on this machine, in a deployed app; name your vault",
            );
        }
        if self.is_loopback || suffixes().any(|suffix| name_below(&self.host, suffix).is_some()) {
            return;
        }
        let known: Vec<_> = suffixes().collect();
        reader.warn(
            NAME,
            format!(
                "its host ends with none of the known clouds' suffixes ({}); check that it is a vault",
                known.join(", ")
            ),
        );
    }
}

fn is_loopback(url: &Url) -> bool {
    url.host().is_some_and(|host| host::is_loopback(&host))
}

/// Refuses hosts that no vault can have.
fn refuse_host(host: &str) -> Result<(), String> {
    if CLOUDS.iter().any(|cloud| name_below(host, cloud.hsm).is_some()) {
        return Err("it is a managed HSM, which holds keys and no secrets; name a vault".into());
    }
    if let Some(public) = public_name(host) {
        return Err(format!(
            "it names the vault's private endpoint, for which the vault has no certificate; keep the public name, which \
             resolves to the endpoint inside the network: https://{public}"
        ));
    }
    let name = suffixes().find_map(|suffix| name_below(host, suffix));
    if name.is_some_and(|name| !is_vault_name(name)) {
        return Err(format!("its host is not one vault's name and a cloud's suffix; {FORM}"));
    }
    Ok(())
}

/// What stands in front of `.suffix`; the empty text too.
fn name_below<'a>(host: &'a str, suffix: &str) -> Option<&'a str> {
    host.strip_suffix(suffix)?.strip_suffix('.')
}

fn is_vault_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// The public name of the vault whose private or internal name `host` is.
fn public_name(host: &str) -> Option<String> {
    let (name, rest) = host.split_once('.')?;
    if let Some((_, below)) = rest.split_once(".privatelink.") {
        return public_name(&format!("{name}.privatelink.{below}"));
    }
    let suffix = rest.strip_prefix("privatelink.").unwrap_or(rest);
    let cloud = CLOUDS
        .iter()
        .find(|cloud| suffix == cloud.private || suffix == cloud.vault && suffix != rest);
    let vault = match cloud {
        Some(cloud) => cloud.vault,
        None if rest.starts_with("privatelink.") || rest.starts_with("vaultcore.") => {
            "vault.azure.net or your cloud's suffix"
        }
        None => return None,
    };
    Some(format!("{name}.{vault}"))
}

/// "write URL", where what was probably meant is clear and would be accepted; the general form elsewhere.
fn advice(text: &str) -> String {
    suggestion(text).map_or_else(|| FORM.to_owned(), |url| format!("write {url}"))
}

/// The vault that was probably meant. It is suggested, never assumed.
fn suggestion(text: &str) -> Option<String> {
    let mut url = base_url::suggestion(text, "https")?;
    if !is_loopback(&url) {
        url.set_port(None).ok()?;
    }
    let suggested = url.as_str().trim_end_matches('/');
    let vault = VaultUrl::parse(suggested).ok()?;
    // Without a scheme the text may be anything, a key included: only what is a vault for sure is repeated.
    let is_known = vault.is_loopback || suffixes().any(|suffix| name_below(&vault.host, suffix).is_some());
    (text.contains("://") || is_known).then(|| suggested.to_owned())
}

/// Which identity reads the vault.
pub(super) fn read_identity(reader: &mut Reader<'_>) -> Identity {
    let client_id = reader.text(&AZURE_CLIENT_ID).map(str::to_owned);
    if client_id.as_deref().is_some_and(|id| !is_guid(id)) {
        reader.fault(
            AZURE_CLIENT_ID.name,
            "it is not a GUID; take the client id of the user-assigned identity, not its name or resource id",
        );
    }
    let in_azure = reader.platform("IDENTITY_ENDPOINT").is_some() || reader.platform("WEBSITE_INSTANCE_ID").is_some();
    match reader.choice(&AZURE_TOKEN_CREDENTIALS) {
        Some("dev") => {
            warn_of_developer_tools(reader, client_id.is_some());
            Identity::DeveloperTools
        }
        None if !in_azure => Identity::DeveloperTools,
        Some(_) | None => Identity::Managed { client_id },
    }
}

fn warn_of_developer_tools(reader: &mut Reader<'_>, has_client_id: bool) {
    const TOKENS: &str = AZURE_TOKEN_CREDENTIALS.name;
    if reader.is_deployed() {
        reader.warn(
            TOKENS,
            "a deployed app has no developer signed in; remove it to use the managed identity",
        );
    }
    if has_client_id {
        reader.warn(
            AZURE_CLIENT_ID.name,
            format!("it names a managed identity, and {TOKENS}=dev uses none; remove one"),
        );
    }
}

/// Longest name and longest value of a secret's tag, in characters (Key Vault's own limit).
const MAX_TAG: usize = 512;

/// The tag without which no secret is served.
pub(super) fn read_required_tag(reader: &mut Reader<'_>) -> Option<RequiredTag> {
    let text = reader.text(&REQUIRED_TAG)?;
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (text, None),
    };
    let is_of_form = |part: &str| {
        let length = part.chars().count();
        (1..=MAX_TAG).contains(&length) && part.trim() == part && !part.contains(char::is_control)
    };
    if !is_of_form(name) || value.is_some_and(|value| !is_of_form(value)) {
        reader.fault(
            REQUIRED_TAG.name,
            "it is neither NAME nor NAME=VALUE of a tag, without white space around either; write for example \
             browser=allowed",
        );
        return None;
    }
    Some(RequiredTag {
        name: name.to_owned(),
        value: value.map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vault_is_https_and_nothing_but_a_host() {
        for (text, url) in [
            ("https://kv.vault.azure.net", "https://kv.vault.azure.net/"),
            ("https://kv.vault.azure.net/", "https://kv.vault.azure.net/"),
            ("https://KV.vault.azure.cn", "https://kv.vault.azure.cn/"),
            ("https://localhost:8443", "https://localhost:8443/"),
            ("https://127.0.0.1:8443/", "https://127.0.0.1:8443/"),
        ] {
            let vault = VaultUrl::parse(text).expect(text);
            assert_eq!(vault.url, url);
            assert_eq!(vault.is_loopback, !text.contains("vault.azure"), "{text}");
        }
    }

    #[test]
    fn what_is_no_vault_is_told_what_to_write() {
        for (text, told) in [
            ("http://kv.vault.azure.net", "write https://kv.vault.azure.net"),
            ("http://localhost:8443", "write https://localhost:8443"),
            ("localhost:8443", "write https://localhost:8443"),
            ("https://localhost:8443/secrets", "write https://localhost:8443"),
            ("https://kv.vault.azure.net:443", "write https://kv.vault.azure.net"),
            ("https://localhost:0", "port is 0"),
            ("https://.vault.azure.net", "one vault's name"),
            ("https://a.b.vault.azure.net", "one vault's name"),
            ("https://my_vault.vault.azure.net", "one vault's name"),
            ("https://kv.vault.azure.net/x/..", "write https://kv.vault.azure.net"),
            ("https:///kv.vault.azure.net", "nothing but a host"),
            ("https:kv.vault.azure.net", "nothing but a host"),
            ("https:\\\\kv.vault.azure.net", "nothing but a host"),
            ("kv.vault.azure.net", "write https://kv.vault.azure.net"),
            ("kv", "not a URL"),
            ("https://", "not a URL"),
            ("https://kv.vault.azure.net//", "a path"),
            ("https://kv.vault.azure.net/secrets/x", "a path"),
            ("https://kv.vault.azure.net?x", "a query"),
            ("https://kv.vault.azure.net#x", "a fragment"),
            ("https://u:p@kv.vault.azure.net", "user name"),
            ("https://kv.vault.azure.net:8443", "a port"),
            ("https://kv.vault.azure.net.", "ends with a dot"),
            (" https://kv.vault.azure.net", "write https://kv.vault.azure.net"),
            ("https://kv.managedhsm.azure.net", "managed HSM"),
            ("http://kv.managedhsm.azure.net", "write https://YOUR-VAULT"),
            (
                "https://kv.privatelink.vaultcore.azure.net",
                "https://kv.vault.azure.net",
            ),
            ("https://kv.vaultcore.azure.net", "https://kv.vault.azure.net"),
            ("https://kv.privatelink.vault.azure.cn", "https://kv.vault.azure.cn"),
            (
                "https://kv.westeurope.privatelink.vaultcore.azure.net",
                "https://kv.vault.azure.net",
            ),
            (
                "https://kv.privatelink.vaultcore.usgovcloudapi.net",
                "https://kv.vault.usgovcloudapi.net",
            ),
        ] {
            let message = VaultUrl::parse(text).expect_err(text);
            assert!(message.contains(told), "{text}: {message}");
        }
    }

    #[test]
    fn nothing_that_could_be_a_secret_is_suggested() {
        for text in [
            "https://user:canary@kv.vault.azure.net",
            "https://kv.vault.azure.net/?code=canary",
            "canary",
            "canary.example",
            "https://kv.vault.azure.net,https://canary",
        ] {
            let message = VaultUrl::parse(text).expect_err(text);
            assert!(!message.contains("canary"), "{text}: {message}");
        }
    }
}
