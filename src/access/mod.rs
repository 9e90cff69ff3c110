//! Authorization: which secrets may be had, by which callers, from which pages.
//!
//! Pure: no clock, log, environment, network or HTTP. Whatever can be wrong is found when the configuration is read, so
//! that a request is only granted or denied.

mod allow_list;
mod rules;

use std::collections::HashSet;
use std::time::Duration;

pub use self::allow_list::AllowList;
use self::rules::{Compiled, RuleSet};
pub use self::rules::{Rule, RuleFault, faults};
use crate::cors::Origin;
use crate::secret::{SecretKey, SecretName};
use crate::token::Caller;

/// What is allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The secrets that may be served.
    pub secrets: AllowList,
    /// What every caller needs; `None` where callers are not asked who they are.
    pub requirement: Option<Requirement>,
    /// How long a cached secret is fresh; zero keeps nothing.
    pub ttl: Duration,
    /// What narrows that for some of the secrets: disjoint, and inside what is allowed ([`faults`]).
    pub rules: Vec<Rule>,
}

/// What a caller needs: any one of the scopes or roles, where there are some, and one of the clients, where there are
/// some. Scopes and roles are compared as whole words, by exact case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requirement {
    /// Delegated permissions, by the scope's name alone.
    pub scopes: HashSet<String>,
    /// App roles.
    pub roles: HashSet<String>,
    /// Client ids, in lower case.
    pub clients: HashSet<String>,
}

impl Requirement {
    /// Whether `caller` has what is needed.
    pub fn is_met_by(&self, caller: &Caller) -> bool {
        let has_scope = caller.scopes.split(' ').any(|scope| self.scopes.contains(scope));
        let has_role = caller.roles.iter().any(|role| self.roles.contains(role));
        let may_read = (self.scopes.is_empty() && self.roles.is_empty()) || has_scope || has_role;
        let has_client = caller
            .client
            .as_ref()
            .is_some_and(|client| self.clients.iter().any(|listed| listed.eq_ignore_ascii_case(client)));
        may_read && (self.clients.is_empty() || has_client)
    }
}

/// Who may have which secret, ready for requests.
#[derive(Clone, Debug)]
pub struct Access {
    secrets: AllowList,
    requirement: Option<Requirement>,
    ttl: Duration,
    rules: RuleSet,
}

/// What a request may do with the secret that it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant<'a> {
    /// How long a cached secret is fresh.
    pub ttl: Duration,
    /// Whether an exact name allows it, and not only a prefix.
    pub exact: bool,
    /// The rule that decided.
    pub rule: Option<&'a str>,
}

/// Why a request may not have the secret that it asks for. The answer is the same for all of them, so that a caller
/// outside a rule learns nothing about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial<'a> {
    /// It is not in the allow-list.
    NotListed,
    /// The rule of this name has other origins.
    Origin(&'a str),
    /// The rule of this name needs what the caller does not have.
    Caller(&'a str),
    /// The rule of this name gives a credential made from the current version, and a version is asked for.
    Version(&'a str),
}

impl Access {
    /// Makes the options ready for requests. They have no [`faults`].
    pub fn new(options: Options) -> Self {
        Self {
            secrets: options.secrets,
            requirement: options.requirement,
            ttl: options.ttl,
            rules: RuleSet::new(options.rules),
        }
    }

    /// Whether a caller may have secrets at all.
    pub fn admits(&self, caller: Option<&Caller>) -> bool {
        match (&self.requirement, caller) {
            (None, _) => true,
            (Some(requirement), Some(caller)) => requirement.is_met_by(caller),
            (Some(_), None) => false,
        }
    }

    /// Whether a page at `origin` and `caller`, which [`admits`](Self::admits) lets in, may have the secret `key`.
    ///
    /// # Errors
    /// The first [`Denial`] of allow-list, version, origin and caller.
    pub fn grant(
        &self,
        key: &SecretKey,
        origin: Option<&Origin<'_>>,
        caller: Option<&Caller>,
    ) -> Result<Grant<'_>, Denial<'_>> {
        let exact = self.secrets.has_exactly(&key.name);
        if !exact && !self.secrets.has_prefix_of(&key.name) {
            return Err(Denial::NotListed);
        }
        let rule = self.rules.rule_for(&key.name);
        if let Some(rule) = rule {
            if rule.current_version_only && key.version.is_some() {
                return Err(Denial::Version(&rule.name));
            }
            if !rule.admits_origin(origin) {
                return Err(Denial::Origin(&rule.name));
            }
            if !rule.admits_caller(caller) {
                return Err(Denial::Caller(&rule.name));
            }
        }
        Ok(Grant {
            ttl: self.ttl_under(rule),
            exact,
            rule: rule.map(|rule| &*rule.name),
        })
    }

    /// How long a cached secret of this name is fresh.
    pub fn ttl_of(&self, name: &SecretName) -> Duration {
        self.ttl_under(self.rules.rule_for(name))
    }

    fn ttl_under(&self, rule: Option<&Compiled>) -> Duration {
        rule.and_then(|rule| rule.ttl).unwrap_or(self.ttl)
    }

    /// The exact names that may be served, with the time that each is fresh: what can be fetched before anybody asks.
    pub fn exact_names(&self) -> impl Iterator<Item = (&SecretName, Duration)> {
        self.secrets.names().map(|name| (name, self.ttl_of(name)))
    }
}

#[cfg(test)]
mod tests;
