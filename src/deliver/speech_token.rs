//! `speech-token`: an access token of Azure AI Speech, which its token service issues for the resource's key.

use super::give::{GiveFault, Parameters, host_in, is_label};

/// Domains of Azure AI services with a custom subdomain: the public cloud, US Government, China.
const CUSTOM_DOMAINS: &[&str] = &[
    ".cognitiveservices.azure.com",
    ".cognitiveservices.azure.us",
    ".cognitiveservices.azure.cn",
];

const REGION_FORM: &str = "the resource's region as Azure writes it, such as westeurope";
const HOST_FORM: &str = "NAME.cognitiveservices.azure.com in lower case, without scheme and path";

/// Which token service to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpeechToken {
    host: String,
}

impl SpeechToken {
    pub(super) const KIND: &str = "speech-token";
    pub(super) const PARAMETERS: &[&str] = &["region", "host"];

    pub(super) fn read(parameters: &mut Parameters<'_>) -> Option<Self> {
        let host = match (parameters.get("region"), parameters.get("host")) {
            (Some(_), Some(_)) => {
                parameters.fault(GiveFault::Both("region", "host"));
                None
            }
            (None, None) => parameters
                .required("region", "region=REGION or host=NAME.cognitiveservices.azure.com")
                .map(str::to_owned),
            (Some(region), None) => {
                let lower: String = region.to_ascii_lowercase();
                let corrected = is_region(&lower).then_some(lower);
                let region = parameters.valid("region", Some(region).filter(|r| is_region(r)), REGION_FORM, corrected);
                region.map(|region| format!("{region}.api.cognitive.microsoft.com"))
            }
            (None, Some(host)) => {
                let corrected = Some(host_in(host)).filter(|host| is_custom_domain(host));
                let host = parameters.valid("host", Some(host).filter(|h| is_custom_domain(h)), HOST_FORM, corrected);
                host.map(str::to_owned)
            }
        };
        host.map(|host| Self { host })
    }

    /// Where tokens are issued.
    pub(super) fn url(&self) -> String {
        format!("https://{}/sts/v1.0/issueToken", self.host)
    }
}

fn is_region(text: &str) -> bool {
    (1..=63).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

fn is_custom_domain(host: &str) -> bool {
    let mut domains = CUSTOM_DOMAINS.iter();
    domains.any(|domain| host.strip_suffix(domain).is_some_and(is_label))
}
