//! Domains below which strangers get names: a wildcard there would allow
//! anybody's page.

/// Suffixes of Azure, of Microsoft's other hosting and above other hosters'
/// public suffixes, that the public suffix list lacks in whole or in part, and how many labels below them are still
/// shared by everybody (a region, a zone, a service) rather than one
/// customer's.
const SHARED: [(&str, usize); 95] = [
    ("aksapp.io", 1),
    ("amazonaws.com", 0),
    ("app.github.dev", 0),
    ("appserviceenvironment.cn", 0),
    ("appserviceenvironment.net", 0),
    ("aroapp.io", 1),
    ("azmk8s.io", 2),
    ("azure-api.cn", 1),
    ("azure-api.net", 1),
    ("azure-api.us", 1),
    ("azure-mobile.net", 0),
    ("azurecontainer.io", 1),
    ("azurecontainerapps.cn", 1),
    ("azurecontainerapps.io", 1),
    ("azurecontainerapps.us", 1),
    ("azurecr.io", 0),
    ("azuredatabricks.net", 1),
    ("azureedge.cn", 1),
    ("azureedge.net", 1),
    ("azureedge.us", 1),
    ("azurefd.cn", 1),
    ("azurefd.net", 1),
    ("azurefd.us", 1),
    ("azurehdinsight.net", 0),
    ("azuremicroservices.io", 0),
    ("azurestaticapps.net", 2),
    ("azurestaticapps.us", 2),
    ("azurewebsites.net", 1),
    ("azurewebsites.us", 1),
    ("b2clogin.com", 0),
    ("chinacloudapp.cn", 1),
    ("chinacloudsites.cn", 1),
    ("ciamlogin.com", 0),
    ("cloudapp.azure.cn", 1),
    ("cloudapp.azure.com", 1),
    ("cloudapp.chinacloudapi.cn", 1),
    ("cloudapp.net", 0),
    ("cloudapp.usgovcloudapi.net", 1),
    ("cognitiveservices.azure.com", 0),
    ("core.chinacloudapi.cn", 2),
    ("core.usgovcloudapi.net", 2),
    ("core.windows.net", 2),
    ("databricksapps.com", 1),
    ("devtunnels.ms", 1),
    ("dynamics.com", 2),
    ("fabric.microsoft.com", 1),
    ("fastly.net", 0),
    ("github.dev", 0),
    ("githubpreview.dev", 0),
    ("gradio.live", 0),
    ("inference.ml.azure.com", 1),
    ("instances.azureml.ms", 1),
    ("koyeb.app", 0),
    ("lhr.life", 0),
    ("loca.lt", 0),
    ("localtest.me", 0),
    ("logic.azure.com", 2),
    ("lvh.me", 0),
    ("microsoftcrmportals.com", 0),
    ("msappproxy.net", 0),
    ("ngrok.io", 1),
    ("nip.io", 0),
    ("onmicrosoft.com", 0),
    ("openai.azure.com", 0),
    ("powerappsportals.com", 0),
    ("powerappsportals.us", 0),
    ("powerplatform.com", 2),
    ("preview.app.github.dev", 0),
    ("railway.app", 0),
    ("search.windows.net", 0),
    ("service.signalr.azure.cn", 0),
    ("service.signalr.azure.us", 0),
    ("service.signalr.net", 0),
    ("servicebus.windows.net", 0),
    ("servicefabric.azure.com", 1),
    ("sharepoint.cn", 0),
    ("sharepoint.com", 0),
    ("sharepoint.us", 0),
    ("sslip.io", 0),
    ("storage.azure.net", 2),
    ("storage.googleapis.com", 0),
    ("trafficmanager.cn", 0),
    ("trafficmanager.net", 0),
    ("usgovcloudapp.net", 1),
    ("usgovtrafficmanager.net", 0),
    ("vault.azure.net", 0),
    ("visualstudio.com", 0),
    ("vo.msecnd.net", 0),
    ("vsassets.io", 1),
    ("vscode-cdn.net", 1),
    ("webpubsub.azure.cn", 0),
    ("webpubsub.azure.com", 0),
    ("webpubsub.azure.us", 0),
    ("windows.net", 0),
    ("wordpress.com", 0),
];

/// Whether names directly below `domain` belong to more than one party: it is
/// a public suffix, or lies at, above or within one of the shared suffixes.
pub(super) fn is_shared(domain: &str) -> bool {
    is_public_suffix(domain)
        || SHARED.iter().any(|&(suffix, depth)| {
            domain == suffix || is_below(suffix, domain) || labels_below(domain, suffix).is_some_and(|n| n <= depth)
        })
        // Kudu's hosts, APP-HASH.scm.REGION-01.azurewebsites.net.
        || domain.starts_with("scm.") && domain.ends_with(".azurewebsites.net")
}

/// Whether names below `domain` are registered by strangers, by the public
/// suffix list (<https://publicsuffix.org/list/>): it is a suffix itself, an
/// unlisted top-level domain included, or a rule `*.domain` makes each name
/// below it one.
fn is_public_suffix(domain: &str) -> bool {
    let below = format!("x.{domain}");
    psl::suffix(domain.as_bytes()).is_some_and(|suffix| suffix.as_bytes() == domain.as_bytes())
        || psl::suffix(below.as_bytes())
            .is_some_and(|suffix| suffix.is_known() && suffix.as_bytes() == below.as_bytes())
}

fn is_below(host: &str, domain: &str) -> bool {
    labels_below(host, domain).is_some()
}

/// How many labels `host` has in front of `domain`, when it lies below it.
fn labels_below(host: &str, domain: &str) -> Option<usize> {
    let front = host.strip_suffix(domain)?.strip_suffix('.')?;
    Some(front.split('.').count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_below_shared_domains_belong_to_strangers() {
        for domain in [
            // the public suffix list, both sections
            "com",
            "co.uk",
            "github.io",
            "azurewebsites.net",
            "azurestaticapps.net",
            "vercel.app",
            "netlify.app",
            "pages.dev",
            "herokuapp.com",
            "s3.amazonaws.com",
            // its default rule
            "internal",
            "corp",
            // ours
            "westeurope-01.azurewebsites.net",
            "2.azurestaticapps.net",
            "westeurope.2.azurestaticapps.net",
            "z6.web.core.windows.net",
            "web.core.windows.net",
            "core.windows.net",
            "windows.net",
            "blob.core.windows.net",
            "z01.web.storage.azure.net",
            "z01.azurefd.net",
            "azurefd.net",
            "azureedge.net",
            "westeurope.cloudapp.azure.com",
            "cloudapp.azure.com",
            "azure.com",
            "azure.net",
            "azurecontainerapps.io",
            "westeurope.azurecontainerapps.io",
            "westeurope.azurecontainer.io",
            "trafficmanager.net",
            "azure-api.net",
            "euw.devtunnels.ms",
            "app.github.dev",
            "sharepoint.com",
            "compute.amazonaws.com",
            "elb.amazonaws.com",
            "amazonaws.com",
            "kawasaki.jp",
            "digitaloceanspaces.com",
            "msappproxy.net",
            "p.azurewebsites.net",
            "azurewebsites.us",
            "chinacloudsites.cn",
            "z1.web.core.usgovcloudapi.net",
        ] {
            assert!(is_shared(domain), "{domain}");
        }
    }

    #[test]
    fn a_customers_own_domain_is_not_shared() {
        for domain in [
            "contoso.com",
            "apps.contoso.com",
            "contoso.co.uk",
            "contoso.github.io",
            "happyrock-1a2b3c4d.westeurope.azurecontainerapps.io",
            "apps.corp",
            "x.myase.appserviceenvironment.net",
            "notazurewebsites.net",
            "mywindows.net",
        ] {
            assert!(!is_shared(domain), "{domain}");
        }
    }

    #[test]
    fn the_list_is_sorted_and_has_each_suffix_once() {
        assert!(SHARED.is_sorted_by(|a, b| a.0 < b.0));
    }
}
