//! `blob-sas`: a service SAS for one container or blob, signed with the storage account's key.
//!
//! Source: "Create a service SAS" of the Blob Storage REST reference, string to sign of version 2020-12-06 and later.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use url::form_urlencoded::Serializer;
use zeroize::Zeroizing;

use super::parameters::{Credential, Parameters, Unfit, is_label};

const VERSION: &str = "2022-11-02";
const DEFAULT_TTL_SECONDS: u32 = 900;
/// An account key's length once it is decoded.
const KEY_BYTES: usize = 64;
/// Longest name of a blob, in characters.
const MAX_BLOB: usize = 1024;

const ACCOUNT_FORM: &str = "the storage account's name, 3 to 24 lower-case letters and digits";
const PATH_FORM: &str = "CONTAINER or CONTAINER/BLOB; a container is 3 to 63 lower-case letters, digits and single inner \
                         hyphens, and a blob's name is not encoded";
const ALLOW_FORM: &str = "some of r, c, w in this order, and l after them for a container, each once";

/// What the page may do with which blobs, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobSas {
    permissions: String,
    /// `canonicalizedResource` of the string to sign.
    resource: String,
    /// `sr`: `b` for a blob, `c` for a container.
    resource_kind: &'static str,
    ttl: i64,
}

impl BlobSas {
    pub(super) const KIND: &str = "blob-sas";
    pub(super) const PARAMETERS: &[&str] = &["account", "path", "allow", "ttl"];

    pub(super) fn read(parameters: &mut Parameters<'_>) -> Option<Self> {
        let account = parameters.required("account", "account=NAME");
        let account = account.and_then(|text| {
            let lower = text.to_ascii_lowercase();
            let corrected = is_account(&lower).then_some(lower);
            parameters.valid(
                "account",
                Some(text).filter(|text| is_account(text)),
                ACCOUNT_FORM,
                corrected,
            )
        });
        let path = parameters.required("path", "path=CONTAINER or path=CONTAINER/BLOB");
        let path = path.and_then(|text| parameters.valid("path", Path::parse(text), PATH_FORM, corrected_path(text)));
        let allow = parameters.required("allow", "allow=r");
        let allow = allow.and_then(|text| {
            let ordered = ordered_permissions(text, path.as_ref().is_none_or(|path| path.blob.is_none()));
            let corrected = ordered.clone().filter(|ordered| ordered != text);
            parameters.valid(
                "allow",
                ordered.filter(|ordered| ordered == text),
                ALLOW_FORM,
                corrected,
            )
        });
        let ttl = parameters.ttl(DEFAULT_TTL_SECONDS);
        let (account, path) = (account?, path?);
        let blob = path.blob.map_or_else(String::new, |blob| format!("/{blob}"));
        Some(Self {
            permissions: allow?,
            resource: format!("/blob/{account}/{}{blob}", path.container),
            resource_kind: if path.blob.is_some() { "b" } else { "c" },
            ttl: ttl?,
        })
    }

    /// Whether the page may change what is stored.
    pub(super) fn writes(&self) -> bool {
        self.permissions.contains(['c', 'w'])
    }

    /// The SAS at `now`, which does not outlive the key's own end. All instances make the same one within half a TTL,
    /// so that a browser's cache knows the URL again.
    pub(super) fn make(&self, key: &str, now: i64, key_ends: Option<i64>) -> Result<Credential, Unfit> {
        let key = decode_key(key)?;
        let on_grid = (2 * now)
            .div_euclid(self.ttl)
            .saturating_add(2)
            .saturating_mul(self.ttl)
            / 2;
        let ends = key_ends.map_or(on_grid, |key_ends| on_grid.min(key_ends));
        let expiry = OffsetDateTime::from_unix_timestamp(ends).ok();
        let expiry = expiry.and_then(|expiry| expiry.format(&Rfc3339).ok());
        let expiry = expiry.ok_or(Unfit("the clock or the key's end cannot be written as a date"))?;
        let text = self.string_to_sign(&expiry);
        let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), text.as_bytes());
        let value = Serializer::new(String::new())
            .append_pair("sv", VERSION)
            .append_pair("spr", "https")
            .append_pair("se", &expiry)
            .append_pair("sr", self.resource_kind)
            .append_pair("sp", &self.permissions)
            .append_pair("sig", &STANDARD.encode(signature))
            .finish();
        Ok(Credential {
            value: Zeroizing::new(value),
            ends,
        })
    }

    /// No start, so that a clock which is ahead of the service's does not matter; no address, because a page's is not
    /// known here; no stored policy, snapshot, encryption scope or response headers.
    fn string_to_sign(&self, expiry: &str) -> String {
        let (start, policy, address, snapshot, encryption_scope) = ("", "", "", "", "");
        let [cache_control, disposition, encoding, language, content_type] = [""; 5];
        [
            self.permissions.as_str(),
            start,
            expiry,
            &self.resource,
            policy,
            address,
            "https",
            VERSION,
            self.resource_kind,
            snapshot,
            encryption_scope,
            cache_control,
            disposition,
            encoding,
            language,
            content_type,
        ]
        .join("\n")
    }
}

/// An account key: 64 bytes in base64. White space around it is often there when a key was set from a file.
fn decode_key(key: &str) -> Result<Zeroizing<Vec<u8>>, Unfit> {
    let key = STANDARD.decode(key.trim_ascii()).map(Zeroizing::new).ok();
    key.filter(|key| key.len() == KEY_BYTES)
        .ok_or(Unfit("the secret is not a storage account's key: 64 bytes in base64"))
}

struct Path<'a> {
    container: &'a str,
    blob: Option<&'a str>,
}

impl<'a> Path<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (container, blob) = match text.split_once('/') {
            Some((container, blob)) => (container, Some(blob)),
            None => (text, None),
        };
        (is_container(container) && blob.is_none_or(is_blob)).then_some(Self { container, blob })
    }
}

/// The path with its container in lower case, where that alone is wrong.
fn corrected_path(text: &str) -> Option<String> {
    let (container, blob) = text.split_at(text.find('/').unwrap_or(text.len()));
    let path = container.to_ascii_lowercase() + blob;
    Path::parse(&path).is_some().then_some(path)
}

fn is_account(text: &str) -> bool {
    let has_form = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    (3..=24).contains(&text.len()) && has_form
}

fn is_container(text: &str) -> bool {
    text.len() >= 3 && is_label(text) && !text.contains("--")
}

fn is_blob(text: &str) -> bool {
    // A URL's parser would resolve such a segment, and read a backslash as a slash: the SAS would fit nothing.
    let is_resolved = text.split('/').any(|segment| segment == "." || segment == "..");
    let has_form = !text.chars().any(|c| c.is_control() || c == '\\') && !text.ends_with('/');
    !text.is_empty() && text.chars().count() <= MAX_BLOB && has_form && !is_resolved
}

/// The permissions in the order that the service wants; none where one is unknown, or none is there.
fn ordered_permissions(text: &str, on_container: bool) -> Option<String> {
    let known = if on_container { "rcwl" } else { "rcw" };
    let ordered: String = known.chars().filter(|permission| text.contains(*permission)).collect();
    (!ordered.is_empty() && text.chars().all(|permission| known.contains(permission))).then_some(ordered)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deliver::give::Give;

    /// The account key that every Azurite has.
    const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
    const NOW: i64 = 1_800_000_000;

    fn sas(text: &str) -> BlobSas {
        match Give::parse(&format!("blob-sas {text}")) {
            Ok(Give::BlobSas(sas)) => sas,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_sas_is_what_the_storage_sdk_makes() {
        // generateBlobSASQueryParameters of @azure/storage-blob 12.34, for the same account, key, end and permissions.
        for (text, expected) in [
            (
                "path=photos/cat.jpg allow=r",
                "sv=2022-11-02&spr=https&se=2027-01-15T08%3A15%3A00Z&sr=b&sp=r&sig=KX8vZZekQydtcCwMssE7aCTcwPOIkcmeih9EB3faefs%3D",
            ),
            (
                "path=photos/2026/ü#1.jpg allow=rcw",
                "sv=2022-11-02&spr=https&se=2027-01-15T08%3A15%3A00Z&sr=b&sp=rcw&sig=uZoJ5Z2LV4ir5D91zKLrZTcTmKeMVj1WebkmLaJmxqM%3D",
            ),
            (
                "path=photos allow=rcwl",
                "sv=2022-11-02&spr=https&se=2027-01-15T08%3A15%3A00Z&sr=c&sp=rcwl&sig=0fs%2FaSfaMg5yL9Vv0DUnNy3SLemk4YfhHH5x48euv3o%3D",
            ),
        ] {
            let credential = sas(&format!("account=devstoreaccount1 {text}"))
                .make(KEY, NOW, None)
                .unwrap();
            assert_eq!(*credential.value, expected);
            assert_eq!(credential.ends, NOW + 900);
        }
    }

    #[test]
    fn the_end_lies_on_a_grid_of_half_the_ttl_and_not_past_the_keys() {
        let given = sas("account=abc path=photos allow=r ttl=600");
        let ends = |now, key_ends| given.make(KEY, now, key_ends).unwrap().ends;
        for second in 0..300 {
            assert_eq!(ends(NOW + second, None), NOW + 600, "{second}");
        }
        assert_eq!(ends(NOW + 300, None), NOW + 900);
        assert_eq!(ends(NOW, Some(NOW + 10)), NOW + 10);
        assert_eq!(ends(NOW, Some(NOW + 10_000)), NOW + 600);
        let odd = sas("account=abc path=photos allow=r ttl=61");
        for now in NOW..NOW + 200 {
            let life = odd.make(KEY, now, None).unwrap().ends - now;
            assert!((30..=61).contains(&life), "{life}");
        }
    }

    #[test]
    fn only_an_account_key_signs() {
        let given = sas("account=abc path=photos allow=r");
        assert!(given.make(&format!("{KEY}\n"), NOW, None).is_ok());
        let short = STANDARD.encode([7; 63]);
        for key in ["", "not base64!", &short, &KEY.replace("==", "")] {
            assert!(given.make(key, NOW, None).is_err(), "{key}");
        }
    }
}
