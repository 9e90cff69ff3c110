//! The operations on secrets, from an authorised request to a status and a body.
//!
//! Source: <https://learn.microsoft.com/rest/api/keyvault/secrets/operation-groups>.

use http::{Method, StatusCode};
use serde::Serialize;

use super::bundle::{Bundle, Change};
use super::clock::now;
use super::paging::{self, Query};
use super::problem::Problem;
use super::secret::Secret;
use super::state::State;

/// The greatest length of a value.
const VALUE_LIMIT_BYTES: usize = 25 * 1024;
const NAME_LIMIT: usize = 127;

/// An operation that succeeded.
pub(crate) struct Done {
    pub(crate) status: StatusCode,
    pub(crate) body: Vec<u8>,
}

/// What an operation works with besides the secrets.
pub(crate) struct Operation<'a> {
    pub(crate) vault_url: &'a str,
    pub(crate) query: &'a Query,
    pub(crate) body: &'a [u8],
}

impl Operation<'_> {
    /// Finds the operation that method and path name, and performs it.
    pub(crate) fn perform(&self, state: &mut State, method: &Method, segments: &[&str]) -> Result<Done, Problem> {
        let &Self { vault_url, query, .. } = self;
        if let ["secrets" | "deletedsecrets", name, ..] = segments {
            check_name(name)?;
        }
        match (method.as_str(), segments) {
            ("GET", ["secrets"]) => ok(&paging::secrets(vault_url, &state.store, query)),
            ("GET", ["secrets", name, "versions"]) => ok(&paging::versions(vault_url, &state.store, name, query)),
            ("GET", ["secrets", name]) => self.get(state, name, None),
            ("GET", ["secrets", name, version]) => self.get(state, name, Some(version)),
            ("PUT", ["secrets", name]) => self.set(state, name),
            ("PATCH", ["secrets", name]) => self.update(state, name, None),
            ("PATCH", ["secrets", name, version]) => self.update(state, name, Some(version)),
            ("DELETE", ["secrets", name]) => {
                let deleted = state
                    .store
                    .delete(name, now())
                    .ok_or_else(|| Problem::not_found(name))?;
                ok(&Bundle::deleted(vault_url, deleted))
            }
            ("GET", ["deletedsecrets"]) => ok(&paging::deleted(vault_url, &state.store, query)),
            ("GET", ["deletedsecrets", name]) => {
                let deleted = state.store.deleted(name).ok_or_else(|| Problem::not_deleted(name))?;
                ok(&Bundle::deleted(vault_url, deleted))
            }
            ("POST", ["deletedsecrets", name, "recover"]) => {
                let entry = state.store.recover(name).ok_or_else(|| Problem::not_deleted(name))?;
                ok(&entry
                    .current()
                    .map(|version| Bundle::without_value(vault_url, entry, version)))
            }
            ("DELETE", ["deletedsecrets", name]) if state.store.purge(name) => Ok(Done {
                status: StatusCode::NO_CONTENT,
                body: Vec::new(),
            }),
            ("DELETE", ["deletedsecrets", name]) => Err(Problem::not_deleted(name)),
            (
                _,
                ["secrets" | "deletedsecrets"]
                | ["secrets" | "deletedsecrets", _]
                | ["secrets", _, _]
                | ["deletedsecrets", _, "recover"],
            ) => Err(Problem::method_not_allowed(method)),
            _ => Err(Problem::no_such_route()),
        }
    }

    /// An expired or not yet valid secret is returned like any other: only `enabled` is enforced.
    fn get(&self, state: &mut State, name: &str, version: Option<&str>) -> Result<Done, Problem> {
        let State { store, counters, .. } = state;
        let not_found = || match version {
            None => Problem::not_found(name),
            Some(version) => Problem::not_found(&format!("{name}/{version}")),
        };
        let entry = store.entry(name).ok_or_else(not_found)?;
        let found = entry.version(version).ok_or_else(not_found)?;
        if !found.secret.enabled {
            return Err(Problem::disabled());
        }
        counters.served += 1;
        ok(&Bundle::full(self.vault_url, entry, found))
    }

    fn set(&self, state: &mut State, name: &str) -> Result<Done, Problem> {
        let mut change = self.change()?;
        let Some(value) = change.value.take() else {
            return Err(Problem::bad_parameter("The parameter is not valid: value is required."));
        };
        if value.len() > VALUE_LIMIT_BYTES {
            return Err(Problem::bad_parameter("Secret value is too long: the limit is 25 KiB."));
        }
        if state.store.deleted(name).is_some() {
            return Err(Problem::in_deleted_state(name));
        }
        let mut secret = Secret::new(value);
        change.apply(&mut secret);
        let entry = state.store.put(name, secret, now());
        ok(&entry
            .current()
            .map(|version| Bundle::full(self.vault_url, entry, version)))
    }

    fn update(&self, state: &mut State, name: &str, version: Option<&str>) -> Result<Done, Problem> {
        let change = self.change()?;
        let updated = state.store.update(name, version, now(), |secret| change.apply(secret));
        let (entry, version) = updated.ok_or_else(|| Problem::not_found(name))?;
        ok(&Bundle::without_value(self.vault_url, entry, version))
    }

    fn change(&self) -> Result<Change, Problem> {
        serde_json::from_slice(self.body)
            .map_err(|_| Problem::bad_parameter("The request body is not a JSON object of the expected form."))
    }
}

fn ok(body: &impl Serialize) -> Result<Done, Problem> {
    let body = serde_json::to_vec(body).map_err(|_| Problem::internal())?;
    Ok(Done {
        status: StatusCode::OK,
        body,
    })
}

fn check_name(name: &str) -> Result<(), Problem> {
    let is_valid =
        (1..=NAME_LIMIT).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if is_valid {
        Ok(())
    } else {
        Err(Problem::invalid_name(name))
    }
}
