//! `KEY_VAULT_URL`: which vault, and that it can be one.

use url::Url;

use super::reader::Reader;
use crate::host;

const NAME: &str = "KEY_VAULT_URL";

/// DNS suffixes of vaults: public, China, US Government, and Germany's former
/// cloud.
const VAULT_SUFFIXES: [&str; 4] = [
    ".vault.azure.net",
    ".vault.azure.cn",
    ".vault.usgovcloudapi.net",
    ".vault.microsoftazure.de",
];
/// DNS suffixes of managed HSMs, which hold keys and no secrets.
const HSM_SUFFIXES: [&str; 4] = [
    ".managedhsm.azure.net",
    ".managedhsm.azure.cn",
    ".managedhsm.usgovcloudapi.net",
    ".managedhsm.microsoftazure.de",
];

/// The vault's address, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultUrl {
    url: Url,
    loopback: bool,
}

impl VaultUrl {
    /// `https://HOST/`, with a port on loopback only.
    pub fn as_str(&self) -> &str {
        self.url.as_str()
    }

    /// Whether the vault is a stand-in on this machine.
    pub fn is_loopback(&self) -> bool {
        self.loopback
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let text = reader.required(NAME, "https://YOUR-VAULT.vault.azure.net")?;
        match Self::parse(&text) {
            Ok(vault) => {
                vault.warn_of_an_unknown_suffix(reader);
                Some(vault)
            }
            Err(message) => {
                reader.fault(NAME, message);
                None
            }
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        const FORM: &str = "write https://YOUR-VAULT.vault.azure.net";
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(format!("it has a space or a character outside ASCII; {FORM}"));
        }
        let url = Url::parse(text).map_err(|_| format!("it is not a URL; {FORM}"))?;
        let host = url.host().ok_or_else(|| format!("it has no host; {FORM}"))?;
        let loopback = host::is_loopback(&host);
        let host = host.to_string();
        if !url.username().is_empty() || url.password().is_some() {
            return Err(format!("it has a user name or password in front of the host; {FORM}"));
        }
        if url.scheme() != "https" {
            return Err(format!("its scheme is not https; write https://{host}"));
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(format!(
                "it names more than the vault (a path, a query or a fragment); write https://{host}"
            ));
        }
        if has_port(text) && !loopback {
            return Err(format!("it has a port, and a vault has none; write https://{host}"));
        }
        if host.ends_with('.') {
            return Err(format!(
                "its host ends with a dot; write https://{}",
                host.trim_end_matches('.')
            ));
        }
        if HSM_SUFFIXES.iter().any(|suffix| host.ends_with(suffix)) {
            return Err("it is a managed HSM, which holds keys and no secrets; name a vault".into());
        }
        if let Some(name) = private_name(&host) {
            return Err(format!(
                "it names the vault's private endpoint, for which the vault has no certificate; keep the public \
                 name, which resolves to the endpoint inside the network: https://{name}.vault.azure.net or \
                 your cloud's suffix"
            ));
        }
        if url.port() == Some(0) {
            return Err("its port is 0; a port is 1 to 65535".into());
        }
        if VAULT_SUFFIXES.iter().any(|suffix| host.ends_with(suffix)) && !is_vault_of_a_cloud(&host) {
            return Err(format!("its host is not one vault's name and a cloud's suffix; {FORM}"));
        }
        // `Url` repairs more than a trailing slash and upper case: what it
        // makes of "https:kv", "https:\\\\kv" or "/x/.." was not meant.
        let repaired = url.as_str().trim_end_matches('/');
        if !text.strip_suffix('/').unwrap_or(text).eq_ignore_ascii_case(repaired) {
            return Err(format!(
                "it is not in the form of a URL with nothing but a host; write {repaired}"
            ));
        }
        Ok(Self { url, loopback })
    }

    fn warn_of_an_unknown_suffix(&self, reader: &mut Reader<'_>) {
        let host = self.url.host_str().unwrap_or_default();
        if host.starts_with("your-vault.") {
            reader.warn(NAME, "it is still the example's; name your own vault");
        }
        if self.loopback && reader.is_deployed() {
            reader.warn(
                NAME,
                "it is a stand-in on this machine, in a deployed app; name your vault",
            );
        }
        if self.loopback || VAULT_SUFFIXES.iter().any(|suffix| host.ends_with(suffix)) {
            return;
        }
        reader.warn(
            NAME,
            format!(
                "its host ends with none of the known clouds' suffixes ({}); check that it is a vault",
                VAULT_SUFFIXES.join(", ")
            ),
        );
    }
}

/// Whether `text` writes a port, its scheme's default one too, which `Url`
/// leaves out.
fn has_port(text: &str) -> bool {
    let authority = text.split_once("://").map_or("", |(_, rest)| rest);
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'))
}

/// `NAME.vault.azure.net` with one label of letters, digits and hyphens.
fn is_vault_of_a_cloud(host: &str) -> bool {
    let name = VAULT_SUFFIXES.iter().find_map(|suffix| host.strip_suffix(suffix));
    name.is_some_and(|name| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
}

/// The vault's name, when `host` is one of its private or internal names.
fn private_name(host: &str) -> Option<&str> {
    let (name, rest) = host.split_once('.')?;
    let private = rest.starts_with("privatelink.") || rest.starts_with("vaultcore.");
    private.then_some(name)
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
            assert_eq!(vault.as_str(), url);
            assert_eq!(vault.is_loopback(), !text.contains("vault.azure"), "{text}");
        }
        for (text, told) in [
            ("http://kv.vault.azure.net", "https://kv.vault.azure.net"),
            ("https://kv.vault.azure.net:443", "a port"),
            ("https://localhost:0", "port is 0"),
            ("https://.vault.azure.net", "one vault's name"),
            ("https://a.b.vault.azure.net", "one vault's name"),
            ("https://my_vault.vault.azure.net", "one vault's name"),
            ("https://kv.vault.azure.net/x/..", "nothing but a host"),
            ("https:///kv.vault.azure.net", "nothing but a host"),
            ("https:kv.vault.azure.net", "nothing but a host"),
            ("https:\\\\kv.vault.azure.net", "nothing but a host"),
            ("kv.vault.azure.net", "not a URL"),
            ("kv", "not a URL"),
            ("https://", "not a URL"),
            ("https://kv.vault.azure.net//", "a path"),
            ("https://kv.vault.azure.net/secrets/x", "a path"),
            ("https://kv.vault.azure.net?x", "a query"),
            ("https://kv.vault.azure.net#x", "a fragment"),
            ("https://u:p@kv.vault.azure.net", "user name"),
            ("https://kv.vault.azure.net:8443", "a port"),
            ("https://kv.vault.azure.net.", "ends with a dot"),
            (" https://kv.vault.azure.net", "a space"),
            ("https://kv.managedhsm.azure.net", "managed HSM"),
            (
                "https://kv.privatelink.vaultcore.azure.net",
                "https://kv.vault.azure.net",
            ),
            ("https://kv.vaultcore.azure.net", "https://kv.vault.azure.net"),
            ("https://kv.privatelink.vaultcore.usgovcloudapi.net", "private endpoint"),
        ] {
            let message = VaultUrl::parse(text).expect_err(text);
            assert!(message.contains(told), "{text}: {message}");
        }
    }
}
