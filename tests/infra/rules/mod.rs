//! The rules that `infra/` is held to. Each says what would happen on Azure without it.

mod app;
mod flex;
mod handler;
mod network;
mod roles;
mod secrets;
mod surface;
mod symbols;
mod vault;

use serde_json::{Value, json};

use crate::deploy::{Deployed, Deployment};
use crate::project::{ASSERTIONS, Project, RESOURCES};

/// What breaks a rule, each with its place. The error is a deployment that Azure would not even begin.
pub(crate) type Findings = Result<Vec<String>, String>;

pub(crate) struct Rule {
    pub(crate) name: &'static str,
    pub(crate) why: &'static str,
    pub(crate) check: fn(&Project) -> Findings,
}

pub(crate) fn all() -> Vec<&'static Rule> {
    let rooms = [
        symbols::RULES,
        surface::RULES,
        handler::RULES,
        app::RULES,
        flex::RULES,
        vault::RULES,
        network::RULES,
        roles::RULES,
        secrets::RULES,
    ];
    rooms.into_iter().flatten().collect()
}

/// Two exact origins, as `ALLOWED_ORIGINS` has them.
pub(crate) const ORIGINS: &str = "https://app.contoso.com,https://admin.contoso.com";
/// The group that everything is put in.
pub(crate) const GROUP: &str = "rg-dev";

/// Everything at its default, with `more` parameters.
pub(crate) fn deploy(project: &Project, more: &Value) -> Result<Deployment, String> {
    deploy_beside(project, more, &json!({}))
}

/// The same, with the properties of the vault that is there already.
pub(crate) fn deploy_beside(project: &Project, more: &Value, vault: &Value) -> Result<Deployment, String> {
    let mut given = json!({
        "environmentName": "dev",
        "allowedSecrets": "maps-key,search-key",
        "allowedOrigins": ORIGINS,
    });
    if let (Some(given), Some(more)) = (given.as_object_mut(), more.as_object()) {
        given.extend(more.clone());
    }
    Deployment::of(project, &given, vault)
}

/// Every combination that the documents speak of.
pub(crate) fn scenarios(project: &Project) -> Result<&[Deployment], String> {
    let made = project.scenarios.get_or_init(|| all_scenarios(project));
    made.as_deref().map_err(Clone::clone)
}

fn all_scenarios(project: &Project) -> Result<Vec<Deployment>, String> {
    let (policies, rbac) = (json!({}), json!({"enableRbacAuthorization": true}));
    let theirs = json!({"existingKeyVaultName": "theirs", "existingKeyVaultResourceGroup": "rg-theirs"});
    let mut all = Vec::new();
    for plan in ["flex", "premium"] {
        for (more, vault) in [
            (json!({}), &policies),
            (
                json!({"vnetEnabled": true, "vaultAllowedIpRanges": "203.0.113.0/24"}),
                &policies,
            ),
            (
                json!({"keyVaultAccessModel": "rbac", "secretsOfficerId": "officer"}),
                &policies,
            ),
            (
                json!({"keyVaultAccessModel": "rbac", "rbacScope": "secrets", "vnetEnabled": true}),
                &policies,
            ),
            (
                json!({"secretsOfficerId": "officer", "purgeProtection": false}),
                &policies,
            ),
            (theirs.clone(), &policies),
            (
                json!({"existingKeyVaultName": "theirs", "keyVaultAccessModel": "rbac", "vnetEnabled": true}),
                &rbac,
            ),
            (
                json!({"alwaysReadyInstanceCount": 1, "allowCredentials": true}),
                &policies,
            ),
        ] {
            let mut more = more;
            more["hostingPlan"] = json!(plan);
            all.push(deploy_beside(project, &more, vault)?);
        }
    }
    Ok(all)
}

/// Whether one of the assertions refuses a deployment; another error stays one.
pub(crate) fn is_refused(outcome: Result<Deployment, String>) -> Result<bool, String> {
    match outcome {
        Ok(_) => Ok(false),
        Err(error) if error.contains(ASSERTIONS) => Ok(true),
        Err(error) => Err(error),
    }
}

/// A finding, unless one of the assertions refuses these parameters.
pub(crate) fn refused(project: &Project, more: &Value, what: &str) -> Findings {
    let refused = is_refused(deploy(project, more))?;
    Ok(unless(refused, &format!("{RESOURCES}: {what}")))
}

/// Finds every resource of `kind`, in every scenario, that does not hold to `holds`. None at all is a finding too.
pub(crate) fn each(project: &Project, kind: &str, what: &str, holds: impl Fn(&Deployed) -> bool) -> Findings {
    let deployments = scenarios(project)?;
    let all: Vec<&Deployed> = deployments.iter().flat_map(|it| it.all(kind)).collect();
    if all.is_empty() {
        return Ok(vec![format!("no {kind} is deployed")]);
    }
    let broken = all.into_iter().filter(|it| !holds(it));
    Ok(once(broken.map(|it| format!("{}: {what}", it.at)).collect()))
}

/// The same finding from several scenarios is one.
pub(crate) fn once(mut findings: Vec<String>) -> Vec<String> {
    findings.sort_unstable();
    findings.dedup();
    findings
}

/// A finding for each pair that is not equal.
pub(crate) fn equal<const N: usize>(at: &str, pairs: [(&str, &Value, Value); N]) -> Vec<String> {
    let different = pairs.into_iter().filter(|(_, actual, expected)| *actual != expected);
    different
        .map(|(what, actual, expected)| format!("{at}: {what} is {actual}, not {expected}"))
        .collect()
}

/// A finding where `holds` is false.
pub(crate) fn unless(holds: bool, what: &str) -> Vec<String> {
    if holds { Vec::new() } else { vec![what.to_owned()] }
}
