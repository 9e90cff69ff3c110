//! What to change when a check fails: in words, with the settings' names and the commands.

use keyvault_cors::az;

use super::answer::{Answer, Outcome, Sender};
use super::differences::Differences;
use super::options::Options;

/// Callers without the function key are let in.
pub(super) const NO_KEY_NEEDED: &str = "callers without a key are let in: set \"authLevel\": \"function\" in \
    GetSecret/function.json and deploy again; or, where Entra alone checks callers, run this without the key";
/// Shows the handler's log.
const LOG: &str = "az monitor app-insights query --app APP-INSIGHTS --resource-group GROUP --analytics-query \
                   'traces | top 30 by timestamp'";

/// The remedies for one app.
#[derive(Debug)]
pub(super) struct Remedies<'a> {
    options: &'a Options,
    app: az::App,
}

impl<'a> Remedies<'a> {
    pub(super) fn new(options: &'a Options) -> Self {
        let app = az::App::new(app_name(&options.host), None);
        Self { options, app }
    }

    /// What to do about an answer that is not the expected one, by who sent it.
    pub(super) fn explain(&self, outcome: &Outcome) -> String {
        let Ok(answer) = outcome else {
            let command = self.app.show_state();
            return format!("is {} the address, and does the app run?\n{command}", self.options.base);
        };
        match answer.sender() {
            Sender::Handler => self.explain_handler(answer),
            Sender::Host => self.explain_host(answer),
        }
    }

    /// What to do when the handler lets pass what it has to refuse.
    pub(super) fn not_refused(&self, outcome: &Outcome) -> String {
        match outcome {
            Ok(answer) if answer.sender() == Sender::Handler => {
                match answer.header("access-control-allow-origin").as_deref() {
                    Some("*") => self.any_origin(),
                    Some(origin) if origin == self.options.refused_origin => self.refuse_origin(),
                    _ => self.changed(),
                }
            }
            _ => self.explain(outcome),
        }
    }

    fn explain_handler(&self, answer: &Answer) -> String {
        match answer.code() {
            "Unauthorized" => self.token(answer),
            "OriginNotAllowed" => self.allow_origin(),
            "CallerNotAllowed" => {
                "the token has none of ENTRA_REQUIRED_SCOPES and ENTRA_REQUIRED_ROLES, or was issued \
                                   to a client that ENTRA_ALLOWED_CLIENTS does not list"
                    .to_owned()
            }
            "HostNotAllowed" => "the handler runs without the Functions host and serves this machine alone: name it \
                                 localhost or 127.0.0.1"
                .to_owned(),
            "FetchMetadata" => self.changed(),
            "SecretDisabled" | "SecretExpired" | "SecretNotYetValid" => format!(
                "the secret's attributes in the vault say so: change them there, or name another secret\n\
                 az keyvault secret show --vault-name VAULT --name {} --query attributes",
                self.secret()
            ),
            "SecretNotFound" => self.not_found(),
            "Throttled" => "the vault throttles: run this again in a minute; if it lasts, something else reads the \
                            vault too often"
                .to_owned(),
            "VaultAccessDenied" => self.vault_access(),
            "AuthorityUnavailable" => "the app gets no signing keys from Entra: check ENTRA_TENANT_ID, \
                                       ENTRA_AUTHORITY_HOST and the app's outbound network"
                .to_owned(),
            "ExchangeRefused" | "ExchangeUnavailable" => {
                "the rule's GIVE makes a credential from this secret, and its service refuses the key or does not \
                 answer: check RULES__NAME__GIVE and the secret's value"
                    .to_owned()
            }
            "VaultUnavailable" => format!(
                "the app cannot reach the vault in time, or gets no token for it: check KEY_VAULT_URL, the vault's \
                 network rules and the app's identity\n{}\n{}",
                self.app.show_setting("KEY_VAULT_URL"),
                self.app.show_identity()
            ),
            _ => format!("the app's log says why\n{LOG}"),
        }
    }

    fn explain_host(&self, answer: &Answer) -> String {
        match answer.status.as_u16() {
            401 if !answer.headers.contains_key("www-authenticate") => self.key(),
            401 | 300..=399 => format!(
                "something in front of the app asks for a sign-in, such as the platform's built-in authentication; the \
                 handler checks callers itself\n{}",
                self.app.disable_authentication()
            ),
            403 => format!(
                "the app is stopped, or its access restrictions keep you out\n{}\n{}",
                self.app.start(),
                self.app.show_access_restrictions()
            ),
            404 => format!(
                "the functions are not deployed, or the address is another app's\n{}\nfunc azure functionapp publish {} \
                 --custom",
                self.app.list_functions(),
                self.app.name
            ),
            429 => "the host has too many requests: run this again in a minute".to_owned(),
            500 => not_running(),
            502..=504 => format!(
                "the app starts, or is stopped: run this again in a minute; if it lasts\n{}\n{}",
                self.app.show_state(),
                LOG
            ),
            _ => format!(
                "something other than keyvault-cors answers at {}: check the address",
                self.options.base
            ),
        }
    }

    /// What to do about headers that differ in an answer that is otherwise right.
    pub(super) fn headers(&self, differences: &Differences, answer: &Answer, preflights: Option<Sender>) -> String {
        let allowed = answer.header("access-control-allow-origin").unwrap_or_default();
        let is_one_too_many = allowed == "*" || allowed == self.options.refused_origin;
        match differences.header {
            Some("access-control-allow-origin") if is_one_too_many && preflights == Some(Sender::Host) => {
                self.platform_lists(&allowed)
            }
            Some("access-control-allow-origin") if allowed == "*" => self.any_origin(),
            Some("access-control-expose-headers") => self.setting_to_default("EXPOSED_HEADERS"),
            Some("access-control-max-age") => self.setting_to_default("PREFLIGHT_MAX_AGE_SECONDS"),
            Some("access-control-allow-headers") => self.setting_to_default("ALLOWED_HEADERS"),
            _ => self.changed(),
        }
    }

    /// A setting whose effect is missing.
    fn setting_to_default(&self, name: &str) -> String {
        format!(
            "{name} is set to something else or to nothing; without the setting its default holds (if it is right, a \
             proxy or API Management changes the answers)\n{}\n{}",
            self.app.show_setting(name),
            self.app.delete_setting(name)
        )
    }

    /// Headers that no setting changes.
    pub(super) fn changed(&self) -> String {
        format!(
            "something on the way changes requests or answers (a proxy, API Management, `customHeaders` in host.json), or \
             an old handler is deployed: ask the app without it, deploy again\n\
             func azure functionapp publish {} --custom",
            self.app.name
        )
    }

    /// The handler allows every origin.
    pub(super) fn any_origin(&self) -> String {
        format!(
            "DANGEROUSLY_ALLOW_ANY_ORIGIN is on, so every page may read the secrets: list the origins in \
             ALLOWED_ORIGINS, then\n{}",
            self.app.delete_setting("DANGEROUSLY_ALLOW_ANY_ORIGIN")
        )
    }

    /// The handler allows an origin that was to be refused.
    pub(super) fn refuse_origin(&self) -> String {
        format!(
            "ALLOWED_ORIGINS allows {}: remove it, or the pattern that matches it\n{}",
            self.options.refused_origin,
            self.app.show_setting("ALLOWED_ORIGINS")
        )
    }

    /// The handler refuses the origin that was to be allowed.
    fn allow_origin(&self) -> String {
        let value = format!("WHAT-IS-THERE,{}", self.options.origin);
        format!(
            "ALLOWED_ORIGINS does not allow {}: add it to what is there\n{}\n{}",
            self.options.origin,
            self.app.show_setting("ALLOWED_ORIGINS"),
            self.app.set_setting("ALLOWED_ORIGINS", &value)
        )
    }

    /// The platform refuses the origin that was to be allowed.
    pub(super) fn platform_lacks(&self) -> String {
        format!(
            "the platform answers preflights, and its own CORS list does not have {}\n{}",
            self.options.origin,
            self.app.add_origins(std::slice::from_ref(&self.options.origin))
        )
    }

    /// The platform allows an origin that `ALLOWED_ORIGINS` does not.
    pub(super) fn platform_lists(&self, origin: &str) -> String {
        format!(
            "the platform's own CORS list has {origin}, which ALLOWED_ORIGINS does not allow\n{}\n{}",
            self.app.show_origins(),
            self.app.remove_origins(&[origin.to_owned()])
        )
    }

    /// The preflight and the answer do not agree on credentials.
    pub(super) fn credentials(&self, enable: bool, preflights: Sender) -> String {
        match preflights {
            Sender::Host => format!(
                "the platform's preflights and ALLOW_CREDENTIALS do not agree\n{}\n{}",
                self.app.show_setting("ALLOW_CREDENTIALS"),
                self.app.set_credentials(enable)
            ),
            Sender::Handler => self.changed(),
        }
    }

    /// A preflight that the host itself refuses, or that nobody answers.
    pub(super) fn preflight(&self, outcome: &Outcome) -> String {
        match outcome {
            Ok(answer) if answer.sender() == Sender::Host && answer.status == 401 => {
                "a preflight carries no key: set \"authLevel\": \"anonymous\" in Preflight/function.json and deploy again"
                    .to_owned()
            }
            Ok(answer) if answer.sender() == Sender::Host && answer.status == 404 => format!(
                "the Preflight function is not deployed\n{}\nfunc azure functionapp publish {} --custom",
                self.app.list_functions(),
                self.app.name
            ),
            _ => self.explain(outcome),
        }
    }

    /// http is served.
    pub(super) fn insecure(&self) -> String {
        format!(
            "keys and secrets could travel in the open\n{}",
            self.app.require_https()
        )
    }

    fn key(&self) -> String {
        let why = match self.options.key {
            Some(_) => "the key is none of GetSecret's or the host's; get one",
            None => "the host requires a function key",
        };
        format!("{why}\nexport SMOKE_KEY=\"$({})\"", self.app.show_key("GetSecret"))
    }

    fn token(&self, answer: &Answer) -> String {
        let why = match self.options.token {
            Some(_) => "the token has expired, or is for another app or tenant",
            None => "Entra is on; get a token",
        };
        let challenge = answer.header("www-authenticate").unwrap_or_default();
        let audience = challenge
            .split_once("resource=\"")
            .and_then(|(_, rest)| rest.split_once('"'))
            .map(|(audience, _)| audience)
            // What a server says becomes part of a command only if it cannot be more than an audience.
            .filter(|audience| {
                let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b':' | b'/' | b'.' | b'-' | b'_');
                !audience.is_empty() && audience.bytes().all(is_plain)
            });
        format!(
            "{why}\nexport SMOKE_TOKEN=\"$(az account get-access-token --resource {} --query accessToken --output tsv)\"",
            audience.unwrap_or("AUDIENCE")
        )
    }

    /// Callers without a token are let in.
    pub(super) fn no_token_needed(&self) -> String {
        format!(
            "Entra does not decide who is let in: set ENTRA_TENANT_ID, ENTRA_AUDIENCE and ENTRA_REQUIRED_SCOPES, or run \
             this without the token\n{}",
            self.app.show_settings()
        )
    }

    /// Neither a key nor a token is needed.
    pub(super) fn nothing_needed(&self) -> String {
        format!(
            "whoever knows the address may read the secrets: set \"authLevel\": \"function\" in GetSecret/function.json \
             and deploy again, or turn Entra on; then\n{}",
            self.app.delete_setting("DANGEROUSLY_ALLOW_ANONYMOUS")
        )
    }

    fn not_found(&self) -> String {
        format!(
            "ALLOWED_SECRETS does not allow this name, its rule (RULES__NAME__…) excludes this origin or caller, the vault \
             has no such secret or not the tag in REQUIRED_TAG, or it is a certificate's, which is never served; the log \
             says which\n{}\naz keyvault secret list --vault-name VAULT --query '[].name' --output tsv",
            self.app.show_setting("ALLOWED_SECRETS")
        )
    }

    fn vault_access(&self) -> String {
        format!(
            "the vault refuses the app's identity. A new role takes some minutes to take effect: run this again. Else \
             assign it (PRINCIPAL is the identity's, AZURE_CLIENT_ID names a user-assigned one)\n{}\n\
             az role assignment create --role 'Key Vault Secrets User' --assignee-object-id PRINCIPAL \
             --assignee-principal-type ServicePrincipal --scope VAULT-ID\n\
             With the role assigned, the vault's firewall may keep the app out\n\
             az keyvault network-rule list --name VAULT",
            self.app.show_identity()
        )
    }

    fn secret(&self) -> &str {
        self.options.secret.as_ref().map_or("SECRET", |name| name.as_str())
    }
}

fn not_running() -> String {
    format!(
        "the handler does not run, and its log says why: a faulty setting ends it with exit code 78, and each fault is \
         named\n{LOG}\n\
         Without a line in the log: the package has no executable file `handler` at its root, the file needs a newer \
         glibc than the platform has, or `*` is in the platform's CORS list together with credentials"
    )
}

/// What `az` calls the app at a host of the platform's own: the first label, without the random end that names with a
/// region in them have.
fn app_name(host: &str) -> Option<&str> {
    let (labels, _) = host.split_once(".azurewebsites.")?;
    match labels.split_once('.') {
        None => Some(labels),
        Some((label, _)) => match label.rsplit_once('-') {
            Some((name, random)) if random.len() == 16 => Some(name),
            _ => Some(label),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_apps_name_is_in_its_host() {
        for (host, name) in [
            ("my-app.azurewebsites.net", Some("my-app")),
            ("my-app.azurewebsites.us", Some("my-app")),
            (
                "my-app-a1b2c3d4e5f6g7h8.westeurope-01.azurewebsites.net",
                Some("my-app"),
            ),
            ("my-app.scm.azurewebsites.net", Some("my-app")),
            ("keys.contoso.com", None),
            ("127.0.0.1", None),
        ] {
            assert_eq!(app_name(host), name, "{host}");
        }
    }
}
