//! `RULES__NAME__PART`: rules that narrow the settings for some of the secrets.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use super::reader::Reader;
use super::settings::{CACHE_TTL, Empty, RULE_PARTS};
use super::{entra, origins, secrets};
use crate::access::{self, AllowList, Requirement, Rule, RuleFault};
use crate::cors::{AllowedOrigins, Pattern};
use crate::deliver::Give;
use crate::secret::SecretName;

/// How the name of every part of a rule begins.
pub(super) const PREFIX: &str = "RULES__";
const MAX_RULES: usize = 32;
const MAX_NAME: usize = 32;

/// Whether a name, in upper case, is one of a part of a rule, or is meant to be one.
pub(super) fn is_part_name(folded: &str) -> bool {
    folded.starts_with(PREFIX) || is_nearly_part_name(folded)
}

/// Whether a name, in upper case, was probably meant to be one of a part of a rule: `RULE__MAPS__ORIGINS`,
/// `RULES_MAPS_ORIGINS`. Such a rule would silently not be there.
fn is_nearly_part_name(folded: &str) -> bool {
    let rest = folded.strip_prefix("RULES_").or_else(|| folded.strip_prefix("RULE_"));
    let of_a_part = |rest: &str| {
        let mut parts = RULE_PARTS.iter();
        parts.any(|part| rest.strip_suffix(part.name).is_some_and(|front| front.ends_with('_')))
    };
    rest.is_some_and(of_a_part)
}

/// The parts of a rule: by the part's name, the variable's name and value.
type RuleParts<'a> = BTreeMap<&'static str, (&'a str, &'a str)>;
/// The parts of the rules, by the rule's name.
type Parts<'a> = BTreeMap<&'a str, RuleParts<'a>>;

/// What the other settings allow.
pub(super) struct Allowed<'a> {
    /// `None` where `ALLOWED_SECRETS` is at fault.
    pub(super) secrets: Option<&'a AllowList>,
    /// `None` where `ALLOWED_ORIGINS` is at fault.
    pub(super) origins: Option<&'a AllowedOrigins>,
    /// Whether callers are asked for a token.
    pub(super) has_entra: bool,
    /// Whether callers are asked for neither a token nor a function key.
    pub(super) is_anonymous: bool,
}

/// What is given in place of a secret.
type Gives = HashMap<SecretName, Give>;

/// The rules, and what they give in place of secrets. Each fault names the rule by its variable.
pub(super) fn read(reader: &mut Reader<'_>, allowed: &Allowed<'_>) -> (Vec<Rule>, Gives) {
    let parts = find_parts(reader);
    if let Some(name) = parts.keys().nth(MAX_RULES) {
        reader.fault(
            &format!("{PREFIX}{name}"),
            format!(
                "there are {} rules, and at most {MAX_RULES}; join those with the same origins",
                parts.len()
            ),
        );
    }
    let mut gives = Gives::new();
    let mut rules = Vec::new();
    for (name, parts) in parts {
        let mut rule = read_rule(reader, name, &parts, allowed.has_entra);
        if let Some((secret, give)) = read_give(reader, &parts, &rule, allowed) {
            rule.current_version_only = true;
            gives.insert(secret, give);
        }
        rules.push(rule);
    }
    check(reader, &rules, allowed);
    (rules, gives)
}

/// Every variable that names a part of a rule; a fault for each that nearly does.
fn find_parts<'a>(reader: &mut Reader<'a>) -> Parts<'a> {
    let mut found = Parts::new();
    for (variable, value) in reader.variables() {
        let folded = variable.to_ascii_uppercase();
        if !is_part_name(&folded) {
            continue;
        }
        match split(variable) {
            Ok((name, part)) => {
                found.entry(name).or_default().insert(part, (variable, value));
            }
            Err(message) => reader.fault(variable, message),
        }
    }
    found
}

/// The rule and the part that a variable names, or what is wrong with it.
fn split(variable: &str) -> Result<(&str, &'static str), String> {
    const FORM: &str = "a part of a rule is named RULES__NAME__PART";
    let of_a_name = |name: &str| {
        (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
    };
    let exact = variable.strip_prefix(PREFIX).and_then(|rest| rest.split_once("__"));
    let folded = variable.to_ascii_uppercase();
    let Some((name, part)) = exact else {
        return Err(format!("{FORM}, in upper case{}", meant(&folded)));
    };
    let known = RULE_PARTS.iter().find(|known| known.name == part);
    match known {
        Some(known) if of_a_name(name) => Ok((name, known.name)),
        Some(_) => Err(format!(
            "the name of a rule is 1 to {MAX_NAME} of A to Z and 0 to 9{}",
            meant(&folded)
        )),
        None => {
            let parts: Vec<_> = RULE_PARTS.iter().map(|known| known.name).collect();
            let nearest = nearest_part(&part.to_ascii_uppercase(), &parts);
            let name: String = name.to_ascii_uppercase();
            let suggestion = if of_a_name(&name) {
                format!("; write {PREFIX}{name}__{nearest}")
            } else {
                String::new()
            };
            Err(format!(
                "a rule has no such part; its parts are {}{suggestion}",
                parts.join(", ")
            ))
        }
    }
}

/// "; write X" for a name in upper case that only its underscores, or the characters of the rule's name, keep from being
/// a part's.
fn meant(folded: &str) -> String {
    let words: Vec<_> = folded.split('_').filter(|word| !word.is_empty()).collect();
    let suggested = RULE_PARTS.iter().find_map(|part| {
        let of_part: Vec<_> = part.name.split('_').collect();
        let front = words.strip_suffix(of_part.as_slice())?;
        let name: String = front.get(1..)?.concat();
        let name: String = name
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .take(MAX_NAME)
            .collect();
        (!name.is_empty()).then(|| format!("{PREFIX}{name}__{}", part.name))
    });
    suggested.map_or(String::new(), |name| format!("; write {name}"))
}

/// The part that `text` was probably meant to be: one that it abbreviates (`TTL`), else the nearest.
fn nearest_part<'a>(text: &str, parts: &[&'a str]) -> &'a str {
    let of_words = |part: &&&str| !text.is_empty() && format!("_{part}_").contains(&format!("_{text}_"));
    let abbreviated = parts.iter().find(of_words).copied();
    abbreviated.unwrap_or_else(|| nearest(text, parts))
}

/// The word of `words` that is nearest to `text`.
pub(super) fn nearest<'a>(text: &str, words: &[&'a str]) -> &'a str {
    let distance = |word: &&&str| strsim::damerau_levenshtein(text, word);
    words.iter().min_by_key(distance).copied().unwrap_or_default()
}

/// The variable of a rule's part and its value, unless that is at fault.
fn part<'a>(reader: &mut Reader<'_>, parts: &RuleParts<'a>, part: &str) -> Option<(&'a str, &'a str)> {
    let (variable, value) = *parts.get(part)?;
    let value = reader.own_value(variable, value, Empty::Fault)?;
    Some((variable, value))
}

fn read_rule(reader: &mut Reader<'_>, name: &str, parts: &RuleParts<'_>, has_entra: bool) -> Rule {
    let value = |reader: &mut Reader<'_>, name| part(reader, parts, name);
    let secrets = value(reader, "SECRETS")
        .and_then(|(variable, list)| secrets::read_entries(reader, variable, list))
        .map(secrets::Entries::into_list);
    if !parts.contains_key("SECRETS") {
        reader.fault(
            &format!("{PREFIX}{name}__SECRETS"),
            "it is required: the secrets that the rule is about, for example maps-key",
        );
    }
    let origins = value(reader, "ORIGINS").map(|(variable, list)| read_origins(reader, variable, list));
    let scopes = value(reader, "SCOPES").map(|(variable, list)| entra::read_scopes(reader, variable, list));
    let roles = value(reader, "ROLES").map(|(variable, list)| entra::read_words(reader, variable, list));
    let clients = value(reader, "CLIENTS").map(|(variable, list)| entra::read_clients(reader, variable, list));
    let ttl = value(reader, "CACHE_TTL_SECONDS")
        .and_then(|(variable, value)| reader.number_of(variable, CACHE_TTL.kind, value))
        .map(|seconds| Duration::from_secs(seconds.into()));
    if !has_entra {
        refuse_callers(reader, parts);
    }
    Rule {
        name: name.to_owned(),
        secrets: secrets.unwrap_or_default(),
        origins,
        requirement: requirement(scopes, roles, clients),
        ttl,
        current_version_only: false,
    }
}

/// What a rule gives in place of its one secret. The credential is made from a key, and the key is never given itself: a
/// rule with more secrets than one, or with a prefix, would leave open which.
fn read_give(
    reader: &mut Reader<'_>,
    parts: &RuleParts<'_>,
    rule: &Rule,
    allowed: &Allowed<'_>,
) -> Option<(SecretName, Give)> {
    let (variable, text) = part(reader, parts, "GIVE")?;
    let mut names = rule.secrets.names();
    let secret = names.next().cloned();
    let is_one_name = secret.is_some() && names.next().is_none() && rule.secrets.prefixes().next().is_none();
    // Secrets at fault are reported already, and read as none.
    if !is_one_name && rule.secrets != AllowList::default() {
        let secrets = format!("{PREFIX}{}__SECRETS", rule.name);
        let what = "with GIVE it is one exact name: the key that the credential is made from";
        reader.fault(&secrets, what);
    }
    let give = match Give::parse(text) {
        Ok(give) => give,
        Err(faults) => {
            for fault in faults {
                reader.fault(variable, fault.to_string());
            }
            return None;
        }
    };
    if let Err(fault) = give.check(allowed.has_entra) {
        reader.fault(variable, fault.to_string());
    }
    for warning in give.warnings(allowed.has_entra, allowed.is_anonymous) {
        reader.warn(variable, warning.to_string());
    }
    Some((secret?, give))
}

fn read_origins(reader: &mut Reader<'_>, variable: &str, list: &str) -> Vec<Pattern> {
    if list.split(',').any(|element| element == "*") {
        reader.fault(
            variable,
            "`*` narrows nothing; list the rule's own origins, or remove the setting",
        );
    }
    origins::read_patterns(reader, variable, list)
}

fn requirement(
    scopes: Option<HashSet<String>>,
    roles: Option<HashSet<String>>,
    clients: Option<HashSet<String>>,
) -> Option<Requirement> {
    let is_any = scopes.is_some() || roles.is_some() || clients.is_some();
    is_any.then(|| Requirement {
        scopes: scopes.unwrap_or_default(),
        roles: roles.unwrap_or_default(),
        clients: clients.unwrap_or_default(),
    })
}

fn refuse_callers(reader: &mut Reader<'_>, parts: &RuleParts<'_>) {
    for part in ["SCOPES", "ROLES", "CLIENTS"] {
        if let Some((variable, _)) = parts.get(part) {
            reader.fault(
                variable,
                "it checks nobody without ENTRA_TENANT_ID and ENTRA_AUDIENCE; set both, or remove it",
            );
        }
    }
}

/// Reports rules that overlap, or that allow more than the settings. Where those are at fault themselves, only the rules
/// are compared with each other.
fn check(reader: &mut Reader<'_>, rules: &[Rule], allowed: &Allowed<'_>) {
    let every_secret = AllowList::new([], [String::new()]);
    let faults = access::faults(
        rules,
        allowed.secrets.unwrap_or(&every_secret),
        allowed.origins.unwrap_or(&AllowedOrigins::Any),
    );
    for fault in faults {
        let (rule, part) = match &fault {
            RuleFault::SecretOutside { rule, .. } | RuleFault::Overlap { rule, .. } => (*rule, "SECRETS"),
            RuleFault::OriginOutside { rule, .. } => (*rule, "ORIGINS"),
        };
        let name = rules.get(rule).map_or("", |rule| &rule.name);
        reader.fault(&format!("{PREFIX}{name}__{part}"), fault.to_string());
    }
}
