//! Domains below which strangers get names: a wildcard there would allow anybody's page.
//!
//! Three sources, each for what the one before lacks. The public suffix list, whose entries for Azure are few and of the
//! public cloud alone. Azure's hosting, by rules: each service that gives names to customers, in each cloud that has
//! it, with the labels (a region, a zone) that still belong to everybody. Other hosting by name.

use std::sync::LazyLock;

/// The rules of the public suffix list, both sections, sorted, with names as they are in a URL. crates/checks writes the file,
/// and holds it to the newest version of the crate `psl`; that crate itself is the list as a megabyte of code.
static RULES: LazyLock<Vec<&str>> = LazyLock::new(|| include_str!("public_suffix_list.txt").lines().collect());

/// A domain below which customers get names, and how many labels in front of it still belong to everybody.
type Shared = (&'static str, usize);

/// Domains of which Microsoft gives customers a name below a service's: `SERVICE.ROOT` is shared whatever the service,
/// those of tomorrow included. The public cloud, US Government, China, Germany's former cloud, and the two sealed ones.
const ROOTS: &[&str] = &[
    "azure.com",
    "azure.net",
    "windows.net",
    "azure.us",
    "usgovcloudapi.net",
    "microsoftazure.us",
    "azure.cn",
    "chinacloudapi.cn",
    "cloudapi.de",
    "microsoftazure.de",
    "windowsazure.com",
    "microsoft.scloud",
    "eaglex.ic.gov",
];

/// Services below each of [`ROOTS`] that put more labels in front of a customer's name.
const SERVICES: &[Shared] = &[
    ("aks", 2),
    ("api.powerplatform", 2),
    // SERVICE.core, and a storage account's zone: NAME.zN.web.core.windows.net.
    ("core", 2),
    // NAME.REGION.cloudapp.azure.com.
    ("cloudapp", 1),
    ("azurecontainer", 1),
    ("azurecontainerapps", 1),
    ("containerservice", 3),
    // adb-ID.N.databricks.azure.us.
    ("databricks", 1),
    ("grafana", 1),
    ("inference.ml", 1),
    ("instances.ml", 1),
    ("kusto", 1),
    ("logic", 2),
    ("notebooks", 1),
    ("service.signalr", 0),
    ("servicefabric", 1),
    // NAME.services.ai.azure.com.
    ("services.ai", 0),
    // NAME.zN.web.storage.azure.net.
    ("storage", 2),
    ("webpubsub", 0),
];

/// Services with a domain of their own, the same name in each cloud: `NAME.TLD` of the public cloud, `NAME.us` of US
/// Government, `NAME.cn` of China.
const BRANDS: &[(&str, &[&str], usize)] = &[
    ("appserviceenvironment", &["net"], 0),
    ("azconfig", &["io"], 0),
    ("azure-api", &["net"], 1),
    ("azure-apicenter", &["ms"], 2),
    ("azure-devices", &["net"], 0),
    ("azure-mobile", &["net"], 0),
    ("azurecontainer", &["io"], 1),
    ("azurecontainerapps", &["io", "dev"], 1),
    ("azurecr", &["io"], 0),
    ("azuredatabricks", &["net"], 1),
    ("azureedge", &["net"], 1),
    ("azurefd", &["net"], 1),
    ("azurehdinsight", &["net"], 0),
    ("azureiotcentral", &["com"], 0),
    ("azuremicroservices", &["io"], 1),
    ("azureml", &["ms", "net"], 2),
    ("azurestaticapps", &["net"], 2),
    ("azuresynapse", &["net"], 1),
    ("azurewebsites", &["net"], 1),
    ("b2clogin", &["com"], 0),
    ("ciamlogin", &["com"], 0),
    ("microsoftcrmportals", &["com"], 0),
    ("msappproxy", &["net"], 0),
    ("onmicrosoft", &["com"], 0),
    ("powerappsportals", &["com"], 0),
    ("powerapps", &["com"], 2),
    ("powerplatform", &["com"], 3),
    ("powerplatformusercontent", &["com"], 3),
    ("sharepoint", &["com"], 0),
    ("trafficmanager", &["net"], 0),
];
/// The top-level domains of the clouds beside the public one.
const OTHER_CLOUDS: [&str; 2] = ["us", "cn"];

/// Services of Azure, and Microsoft's other hosting, whose domains follow no rule; cloud by cloud where there are several.
const MICROSOFT: &[Shared] = &[
    // Azure Kubernetes Service, its routing add-on, OpenShift.
    ("azmk8s.io", 2),
    ("azk8s.cn", 4),
    ("aksapp.io", 1),
    ("aroapp.io", 1),
    ("aroapp.azure.us", 1),
    // Container Apps on Arc.
    ("k4apps.io", 1),
    // App Service and Cloud Services.
    ("chinacloudsites.cn", 1),
    ("chinacloudapp.cn", 1),
    ("usgovcloudapp.net", 1),
    ("azurewebsites.de", 1),
    ("cloudapp.de", 1),
    // Traffic Manager, the CDN's old name, SignalR.
    ("azuretrafficmanager.de", 0),
    ("vo.msecnd.net", 0),
    ("signalr.net", 1),
    // Sign-in and directories.
    ("onmschina.cn", 1),
    ("partner.onmschina.cn", 0),
    ("microsoftonline.us", 0),
    // Dynamics 365 and Power Platform.
    ("dynamics.com", 2),
    ("dynamics.cn", 2),
    ("microsoftdynamics.us", 2),
    ("microsoftdynamics.de", 2),
    ("appsplatform.us", 2),
    ("powerplatform.microsoft.us", 3),
    ("powerplatform.partner.microsoftonline.cn", 2),
    ("microsoftonline.cn", 1),
    ("sharepoint-mil.us", 0),
    ("sharepoint.de", 0),
    ("fabric.microsoft.com", 1),
    ("fabricapps.net", 2),
    // Developers' machines.
    ("app.github.dev", 0),
    ("preview.app.github.dev", 0),
    ("github.dev", 0),
    ("devtunnels.ms", 1),
    ("tunnels.api.visualstudio.com", 1),
    ("visualstudio.com", 0),
    ("vsassets.io", 1),
    ("vscode-cdn.net", 1),
];

/// Other hosters, sandboxes and tunnels that the public suffix list lacks in whole or in part.
const OTHERS: &[Shared] = &[
    ("amazonaws.com", 0),
    ("cloudforce.com", 2),
    ("cloudworkstations.dev", 1),
    ("codeanyapp.com", 0),
    ("codesandbox.io", 1),
    ("csb.app", 1),
    ("databricks.com", 1),
    ("databricksapps.com", 1),
    ("documentforce.com", 2),
    ("fastly.net", 0),
    // Salesforce: ORG.lightning.force.com, ORG.sandbox.lightning.force.com.
    ("force.com", 2),
    ("gitpod.dev", 1),
    // A workspace is PORT-ID.ws-REGION.gitpod.io.
    ("gitpod.io", 1),
    ("glitch.me", 0),
    ("gradio.live", 0),
    ("idx.dev", 1),
    ("jsfiddle.net", 0),
    ("jshell.net", 1),
    ("koyeb.app", 0),
    ("lhr.life", 0),
    ("lhr.rocks", 0),
    ("loca.lt", 0),
    ("localhost.run", 0),
    ("localtest.me", 0),
    ("lvh.me", 0),
    ("neocities.org", 0),
    ("ngrok.dev", 1),
    ("ngrok.io", 1),
    ("nip.io", 0),
    ("pinggy.io", 1),
    ("pinggy.link", 1),
    ("railway.app", 0),
    ("replit.dev", 1),
    ("salesforce-experience.com", 2),
    ("salesforce-sites.com", 2),
    ("salesforce.com", 2),
    ("serveo.net", 0),
    ("site.com", 2),
    ("sslip.io", 0),
    // Stackblitz runs a project's server as a page of one of these.
    ("stackblitz.io", 0),
    ("staticblitz.com", 1),
    ("storage.googleapis.com", 0),
    ("tiiny.site", 0),
    ("tumblr.com", 0),
    ("usercontent.goog", 1),
    ("visualforce.com", 2),
    ("webcontainer-api.io", 1),
    ("webcontainer.io", 1),
    ("weebly.com", 0),
    ("wordpress.com", 0),
    ("zrok.io", 1),
];

/// Whether names directly below `domain` belong to more than one party: it is a public suffix, or lies at, above or
/// within one of the shared suffixes.
pub fn is_shared_suffix(domain: &str) -> bool {
    is_public_suffix(domain)
        || ROOTS
            .iter()
            .any(|root| is_shared_by(domain, root, 1) || is_service(domain, root))
        || MICROSOFT
            .iter()
            .chain(OTHERS)
            .any(|&(suffix, depth)| is_shared_by(domain, suffix, depth) || is_kudu(domain, suffix))
        || is_brand(domain)
}

/// Whether `domain` is `suffix`, lies above it, or has at most `depth` labels in front of it.
fn is_shared_by(domain: &str, suffix: &str, depth: usize) -> bool {
    domain == suffix
        || labels_before(suffix, domain).is_some()
        || labels_before(domain, suffix).is_some_and(|labels| labels <= depth)
}

/// Whether `domain` is a service's, or its region's or zone's, below `root`.
fn is_service(domain: &str, root: &str) -> bool {
    let Some(below_root) = domain.strip_suffix(root).and_then(|front| front.strip_suffix('.')) else {
        return false;
    };
    SERVICES
        .iter()
        .any(|&(service, depth)| is_shared_by(below_root, service, depth))
}

/// Whether `domain` is a service's own, or its region's or zone's, in any cloud.
fn is_brand(domain: &str) -> bool {
    BRANDS.iter().any(|(name, public, depth)| {
        public.iter().chain(&OTHER_CLOUDS).any(|tld| {
            let suffix = format!("{name}.{tld}");
            is_shared_by(domain, &suffix, *depth) || is_kudu(domain, &suffix)
        })
    })
}

/// Whether `domain` is where App Service has the consoles of a region's apps: `APP-HASH.scm.REGION-01.azurewebsites.net`.
/// No other service has the name `scm` there.
fn is_kudu(domain: &str, suffix: &str) -> bool {
    domain.starts_with("scm.") && labels_before(domain, suffix) == Some(2)
}

/// Whether names below `domain` are registered by strangers, by the public suffix list
/// (<https://publicsuffix.org/list/>): it is a suffix itself, an unlisted top-level domain included, or a rule `*.domain`
/// makes each name below it one.
fn is_public_suffix(domain: &str) -> bool {
    let has = |rule: &str| RULES.binary_search(&rule).is_ok();
    // The list's default rule: a name without a dot is a suffix.
    let Some((_, parent)) = domain.split_once('.') else {
        return true;
    };
    has(domain) || has(&format!("*.{domain}")) || (has(&format!("*.{parent}")) && !has(&format!("!{domain}")))
}

/// How many labels `host` has in front of `domain`, when it lies below it.
fn labels_before(host: &str, domain: &str) -> Option<usize> {
    let front = host.strip_suffix(domain)?.strip_suffix('.')?;
    Some(front.split('.').count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_below_shared_domains_belong_to_strangers() {
        let shared = [
            // The public suffix list, both sections, and its default rule.
            "com co.uk github.io vercel.app netlify.app pages.dev herokuapp.com s3.amazonaws.com kawasaki.jp",
            "x.kawasaki.jp xn--55qx5d.cn digitaloceanspaces.com internal corp",
            // Azure, public cloud.
            "azure.com azure.net windows.net azurewebsites.net westeurope-01.azurewebsites.net p.azurewebsites.net",
            "scm.westeurope-01.azurewebsites.net azurestaticapps.net 2.azurestaticapps.net",
            "westeurope.2.azurestaticapps.net core.windows.net web.core.windows.net z6.web.core.windows.net",
            "blob.core.windows.net z01.web.storage.azure.net azurefd.net z01.azurefd.net azureedge.net",
            "westeurope.cloudapp.azure.com cloudapp.azure.com azurecontainerapps.io",
            "westeurope.azurecontainerapps.io westeurope.azurecontainer.io trafficmanager.net azure-api.net",
            "developer.azure-api.net msappproxy.net westeurope.logic.azure.com openai.azure.com search.windows.net",
            // A service that there is not yet.
            "newservice.azure.com newservice.azure.us newservice.azure.cn",
            // The other clouds.
            "azurewebsites.us usgovvirginia-01.azurewebsites.us chinacloudsites.cn azurestaticapps.us",
            "z1.web.core.usgovcloudapi.net z4.web.core.chinacloudapi.cn usgovvirginia.cloudapp.usgovcloudapi.net",
            "usgovvirginia.cloudapp.azure.us chinaeast2.cloudapp.chinacloudapi.cn appserviceenvironment.us",
            "appserviceenvironment.cn b2clogin.us b2clogin.cn ciamlogin.us ciamlogin.cn msappproxy.us msappproxy.cn",
            "databricks.azure.us 12.databricks.azure.us databricks.azure.cn powerappsportals.us powerappsportals.cn",
            "azurehdinsight.us azurehdinsight.cn azurecr.us azurecr.cn azconfig.azure.us azure-devices.cn",
            "service.signalr.azure.us webpubsub.azure.cn usgovtrafficmanager.net trafficmanager.cn azurefd.us",
            "usgovvirginia.azurecontainerapps.us chinanorth3.azurecontainerapps.cn azure-api.us azure-api.cn",
            "usgovvirginia.logic.azure.us chinaeast2.logic.azure.cn onmicrosoft.us partner.onmschina.cn",
            // Microsoft's other hosting.
            "app.github.dev github.dev euw.devtunnels.ms sharepoint.com crm4.dynamics.com crm9.dynamics.com",
            "crm.microsoftdynamics.us crm.appsplatform.us crm.dynamics.cn environment.api.powerplatform.com",
            // Other hosting.
            "gitpod.io ws-eu104.gitpod.io stackblitz.io webcontainer.io local-credentialless.webcontainer.io",
            "lightning.force.com sandbox.lightning.force.com my.salesforce.com my.site.com",
            "compute.amazonaws.com elb.amazonaws.com amazonaws.com tumblr.com eu.zrok.io",
            // Regions, consoles and relays of services above.
            "eastus.k4apps.io scm.chinanorth3-01.chinacloudsites.cn weu.grafana.azure.com services.ai.azure.com",
            "private.azuremicroservices.io rel.tunnels.api.visualstudio.com",
        ];
        for domain in shared.iter().flat_map(|line| line.split(' ')) {
            assert!(is_shared_suffix(domain), "{domain}");
        }
    }

    #[test]
    fn a_customers_own_domain_is_not_shared() {
        for domain in [
            "contoso.com",
            "apps.contoso.com",
            "contoso.co.uk",
            // The public suffix list's exception to *.kawasaki.jp.
            "city.kawasaki.jp",
            "contoso.us",
            "contoso.cn",
            "contoso.github.io",
            "happyrock-1a2b3c4d.westeurope.azurecontainerapps.io",
            "happyrock-1a2b3c4d.usgovvirginia.azurecontainerapps.us",
            "apps.corp",
            "myase.appserviceenvironment.net",
            "x.myase.appserviceenvironment.us",
            "notazurewebsites.net",
            "mywindows.net",
            "myazure.com",
            "storage.contoso.com",
        ] {
            assert!(!is_shared_suffix(domain), "{domain}");
        }
    }
}
