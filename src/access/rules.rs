//! Rules: for some of the secrets, only these pages, these callers, this TTL.
//!
//! A rule narrows what the settings allow and never widens it. [`faults`] proves that of a configuration, so that a
//! request finds at most one rule for a name and cannot get more by it.

use std::collections::HashMap;
use std::time::Duration;

use thiserror::Error;

use super::{AllowList, Requirement};
use crate::cors::{AllowedOrigins, Origin, OriginSet, Pattern};
use crate::secret::{self, SecretName};
use crate::token::Caller;

/// One rule as it is configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// The `NAME` of `RULES__NAME__…`.
    pub name: String,
    /// The secrets that it decides on.
    pub secrets: AllowList,
    /// The pages that may have them; `None` is every allowed origin, and requests without one where those are served.
    pub origins: Option<Vec<Pattern>>,
    /// What a caller needs beside what every caller needs.
    pub requirement: Option<Requirement>,
    /// How long a cached secret is fresh; `None` is the global time.
    pub ttl: Option<Duration>,
    /// Whether a version in the path is outside the rule: what is given is made from the current version.
    pub current_version_only: bool,
}

/// A way in which rules do not narrow, or do not decide.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RuleFault {
    /// The rule's entry allows a secret that the settings do not.
    #[error("{entry} is not inside ALLOWED_SECRETS; a rule only narrows, so add it there or remove it here")]
    SecretOutside {
        /// Index of the rule.
        rule: usize,
        /// The name or `prefix*`, as a message shows it.
        entry: String,
    },
    /// A name can lie in two rules.
    #[error("{entry} is in rule {other} already; a secret has one rule, so remove it from one of them")]
    Overlap {
        /// Index of the later rule.
        rule: usize,
        /// Its name or `prefix*`, as a message shows it.
        entry: String,
        /// Name of the other rule.
        other: String,
    },
    /// The rule's pattern allows an origin that the settings do not.
    #[error("{pattern} is not inside ALLOWED_ORIGINS; a rule only narrows, so add {pattern} there or remove it here")]
    OriginOutside {
        /// Index of the rule.
        rule: usize,
        /// The pattern.
        pattern: Pattern,
    },
}

/// Every way in which `rules` are not disjoint, or allow more than `secrets` and `origins` do.
pub fn faults(rules: &[Rule], secrets: &AllowList, origins: &AllowedOrigins) -> Vec<RuleFault> {
    let mut faults = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        let earlier = rules.get(..index).unwrap_or_default();
        for name in rule.secrets.names() {
            let entry = || secret::shown(name.as_str());
            if !secrets.allows(name) {
                faults.push(RuleFault::SecretOutside {
                    rule: index,
                    entry: entry(),
                });
            }
            // An exact name wins over a prefix, so it conflicts only with another exact one.
            if let Some(other) = earlier.iter().find(|other| other.secrets.has_exactly(name)) {
                faults.push(overlap(index, entry(), other));
            }
        }
        for prefix in rule.secrets.prefixes() {
            let entry = || secret::shown(&format!("{prefix}*"));
            if !secrets.covers_prefix(prefix) {
                faults.push(RuleFault::SecretOutside {
                    rule: index,
                    entry: entry(),
                });
            }
            let meets = |other: &&Rule| {
                let mut others = other.secrets.prefixes();
                others.any(|other| other.starts_with(prefix) || prefix.starts_with(other))
            };
            if let Some(other) = earlier.iter().find(meets) {
                faults.push(overlap(index, entry(), other));
            }
        }
        for pattern in rule.origins.iter().flatten() {
            let is_inside = match origins {
                AllowedOrigins::Any => true,
                AllowedOrigins::Listed { patterns, .. } => patterns.iter().any(|wider| wider.covers(pattern)),
            };
            if !is_inside {
                faults.push(RuleFault::OriginOutside {
                    rule: index,
                    pattern: pattern.clone(),
                });
            }
        }
    }
    faults
}

fn overlap(rule: usize, entry: String, other: &Rule) -> RuleFault {
    RuleFault::Overlap {
        rule,
        entry,
        other: other.name.clone(),
    }
}

/// A rule, ready for requests.
#[derive(Clone, Debug)]
pub(super) struct Compiled {
    pub(super) name: String,
    origins: Option<OriginSet>,
    requirement: Option<Requirement>,
    pub(super) ttl: Option<Duration>,
    pub(super) current_version_only: bool,
}

impl Compiled {
    pub(super) fn admits_origin(&self, origin: Option<&Origin<'_>>) -> bool {
        match (&self.origins, origin) {
            (None, _) => true,
            (Some(origins), Some(origin)) => origins.contains(origin),
            (Some(_), None) => false,
        }
    }

    pub(super) fn admits_caller(&self, caller: Option<&Caller>) -> bool {
        match (&self.requirement, caller) {
            (None, _) => true,
            (Some(requirement), Some(caller)) => requirement.is_met_by(caller),
            (Some(_), None) => false,
        }
    }
}

/// The rules by the names that they decide on.
#[derive(Clone, Debug, Default)]
pub(super) struct RuleSet {
    rules: Vec<Compiled>,
    by_name: HashMap<SecretName, usize>,
    by_prefix: Vec<(Box<str>, usize)>,
}

impl RuleSet {
    pub(super) fn new(rules: Vec<Rule>) -> Self {
        let mut set = Self::default();
        for (index, rule) in rules.into_iter().enumerate() {
            set.by_name
                .extend(rule.secrets.names().map(|name| (name.clone(), index)));
            set.by_prefix
                .extend(rule.secrets.prefixes().map(|prefix| (prefix.into(), index)));
            set.rules.push(Compiled {
                name: rule.name,
                origins: rule.origins.map(OriginSet::new),
                requirement: rule.requirement,
                ttl: rule.ttl,
                current_version_only: rule.current_version_only,
            });
        }
        set
    }

    /// The rule that decides on `name`; without one, the settings decide.
    pub(super) fn rule_for(&self, name: &SecretName) -> Option<&Compiled> {
        let by_prefix = || {
            let mut prefixes = self.by_prefix.iter();
            prefixes.find(|(prefix, _)| name.as_str().starts_with(&**prefix))
        };
        let index = match self.by_name.get(name) {
            Some(index) => *index,
            None => by_prefix()?.1,
        };
        self.rules.get(index)
    }
}
