//! The public suffix list that the product carries is that of the newest version of the crate `psl` in Cargo.lock.
//!
//! The crate is the list as code, and would be an eighth of the binary. Its package has the rules as text, too; so it is a
//! dependency that nothing compiles, of which whoever looks after dependencies sees when there is a newer one.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a broken expectation ends a test"
)]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Sorts before all rules, and is none: no name begins with a space.
const NOTICE: &str = "! The public suffix list, https://publicsuffix.org/list/, under the Mozilla Public License 2.0, \
                      https://mozilla.org/MPL/2.0/";

/// The sources of `psl`, which cargo downloads here if it did not before.
fn package() -> (String, String) {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--features", "psl"])
        .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
        .args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")])
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let psl = packages.iter().find(|package| package["name"] == "psl").expect("psl");
    let text = |field: &str| psl[field].as_str().expect(field).to_owned();
    (text("version"), text("manifest_path"))
}

/// A rule with its name as it is in a URL: `!` and `*` are not part of any label.
fn as_in_urls(rule: &str) -> String {
    let name = rule.trim_start_matches(['!', '*', '.']);
    rule.replace(name, &idna::domain_to_ascii(name).expect(rule))
}

#[test]
fn the_public_suffix_list_is_the_newest() {
    let (version, manifest) = package();
    let rules = Path::new(&manifest).with_file_name("data").join("rules.txt");
    let rules = std::fs::read_to_string(rules).expect("the rules");
    let sorted: BTreeSet<String> = rules.lines().map(as_in_urls).collect();
    let newest: String = [NOTICE.to_owned()]
        .into_iter()
        .chain(sorted)
        .map(|line| line + "\n")
        .collect();

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../src/cors/public_suffix_list.txt");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &newest).expect("written");
    }
    assert!(
        std::fs::read_to_string(&path).unwrap_or_default() == newest,
        "src/cors/public_suffix_list.txt is not that of psl {version}; `UPDATE=1 cargo test -p checks --test public_suffixes` \
         writes it: review the difference"
    );
}
