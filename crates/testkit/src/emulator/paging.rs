//! Query parameters, and the lists that come in pages with a `nextLink`.

use form_urlencoded::Serializer;

use super::bundle::{Bundle, Page};
use super::problem::Problem;
use super::store::Store;

/// The greatest page, and the one that a client gets that asks for none.
const PAGE_LIMIT: usize = 25;

/// The query parameters of a data plane request. Names may be percent-encoded (`api%2Dversion`).
pub(crate) struct Query {
    api_version: String,
    max_results: usize,
    /// The key of the last item of the page before.
    skip_token: Option<String>,
}

impl Query {
    /// Reads what is there; an absent or malformed `api-version` is refused, as is a page of another size than 1 to 25.
    pub(crate) fn parse(query: &str) -> Result<Self, Problem> {
        let parameter = |wanted: &str| {
            form_urlencoded::parse(query.as_bytes())
                .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
                .map(|(_, value)| value.into_owned())
        };
        let Some(api_version) = parameter("api-version").filter(|version| !version.is_empty()) else {
            return Err(Problem::bad_parameter("api-version must be specified"));
        };
        if !api_version
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'))
        {
            return Err(Problem::bad_parameter(format!(
                "The specified version ({api_version}) is not recognized."
            )));
        }
        let max_results = match parameter("maxresults") {
            None => PAGE_LIMIT,
            Some(text) => match text.parse() {
                Ok(number @ 1..=PAGE_LIMIT) => number,
                _ => return Err(Problem::bad_parameter("maxresults must be between 1 and 25")),
            },
        };
        Ok(Self {
            api_version,
            max_results,
            skip_token: parameter("$skiptoken"),
        })
    }

    /// Cuts a page out of items with their keys, which come in a stable order.
    fn page<'a>(&self, url: &str, items: impl Iterator<Item = (&'a str, Bundle<'a>)>) -> Page<'a> {
        let mut items = items.peekable();
        let mut value = Vec::new();
        let mut last = "";
        while value.len() < self.max_results {
            let Some((key, item)) = items.next() else { break };
            value.push(item);
            last = key;
        }
        let next_link = items.peek().is_some().then(|| {
            let query = Serializer::new(String::new())
                .append_pair("api-version", &self.api_version)
                .append_pair("$skiptoken", last)
                .append_pair("maxresults", &self.max_results.to_string())
                .finish();
            format!("{url}?{query}")
        });
        Page { value, next_link }
    }
}

/// `GET /secrets`: the live secrets, without values.
pub(crate) fn secrets<'a>(vault_url: &str, store: &'a Store, query: &Query) -> Page<'a> {
    let items = store.entries_after(query.skip_token.as_deref().unwrap_or_default());
    let items = items.filter_map(|(key, entry)| Some((key, Bundle::item(vault_url, entry)?)));
    query.page(&format!("{vault_url}/secrets"), items)
}

/// `GET /secrets/{name}/versions`: every version, without values, in order of creation. A name that is not there has
/// none: this is the one operation that does not refuse it.
pub(crate) fn versions<'a>(vault_url: &str, store: &'a Store, name: &'a str, query: &Query) -> Page<'a> {
    let entry = store.entry(name);
    let versions = entry
        .into_iter()
        .flat_map(|entry| entry.versions.iter().map(move |version| (entry, version)));
    let start = match &query.skip_token {
        None => 0,
        Some(token) => versions
            .clone()
            .position(|(_, version)| version.id == *token)
            .map_or(usize::MAX, |last| last + 1),
    };
    let items = versions.skip(start);
    let items = items.map(|(entry, version)| (version.id.as_str(), Bundle::without_value(vault_url, entry, version)));
    let name = entry.map_or(name, |entry| &entry.name);
    query.page(&format!("{vault_url}/secrets/{name}/versions"), items)
}

/// `GET /deletedsecrets`: the soft-deleted secrets, without values.
pub(crate) fn deleted<'a>(vault_url: &str, store: &'a Store, query: &Query) -> Page<'a> {
    let items = store.deleted_after(query.skip_token.as_deref().unwrap_or_default());
    let items = items.filter_map(|(key, deleted)| Some((key, Bundle::deleted_item(vault_url, deleted)?)));
    query.page(&format!("{vault_url}/deletedsecrets"), items)
}
