//! `infra/` without Azure and without a Bicep compiler: its files are parsed, deployed on paper with every combination
//! of parameters that the documents speak of, and held to rules. Each rule is broken on purpose in a copy, too: a rule
//! that finds nothing then is none.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unnecessary_wraps,
    reason = "a broken expectation ends a test, in the support code too; and all rules have one signature"
)]

mod bicep;
mod deploy;
mod eval;
mod expr;
mod mutants;
mod project;
mod rules;

use std::collections::BTreeSet;

use crate::mutants::Mutant;
use crate::project::{Project, Texts};
use crate::rules::Rule;

#[test]
fn the_files_keep_every_rule() {
    let project = Project::parse(&Texts::of_the_tree()).unwrap_or_else(|errors| panic!("{}", errors.join("\n")));
    let mut broken = Vec::new();
    for Rule { name, why, check } in rules::all() {
        let findings = check(&project).unwrap_or_else(|error| vec![format!("it does not deploy: {error}")]);
        broken.extend(findings.iter().map(|finding| format!("[{name}] {finding}\n    {why}")));
    }
    assert!(broken.is_empty(), "{} findings\n{}", broken.len(), broken.join("\n"));
}

#[test]
fn each_rule_finds_what_breaks_it() {
    let texts = Texts::of_the_tree();
    let missed: Vec<String> = mutants::all()
        .filter_map(|mutant| missed(&texts, mutant).err())
        .collect();
    assert!(missed.is_empty(), "{} mutants\n{}", missed.len(), missed.join("\n"));
}

/// Whether the rule that a mutant names finds it; a file that does not parse is found by all of them, and proves none.
fn missed(texts: &Texts, mutant: &Mutant) -> Result<(), String> {
    let Mutant(name, path, find, replacement) = mutant;
    let project = Project::parse(&texts.with(path, find, replacement)?);
    if *name == "syntax" {
        return project
            .err()
            .map(|_| ())
            .ok_or_else(|| format!("[syntax] {path}: `{replacement}` is taken"));
    }
    let project = project.map_err(|errors| format!("[{name}] {path}: `{replacement}`: {}", errors.join("; ")))?;
    let rule = rules::all()
        .into_iter()
        .find(|rule| rule.name == *name)
        .ok_or_else(|| format!("no rule {name}"))?;
    match (rule.check)(&project) {
        Ok(findings) if findings.is_empty() => Err(format!("[{name}] {path}: not found: `{find}` -> `{replacement}`")),
        Ok(_) => Ok(()),
        Err(error) => Err(format!("[{name}] {path}: `{replacement}` does not deploy: {error}")),
    }
}

#[test]
fn every_rule_has_a_mutant() {
    let tried: BTreeSet<&str> = mutants::all().map(|mutant| mutant.0).collect();
    let untried: Vec<&str> = rules::all()
        .iter()
        .map(|rule| rule.name)
        .filter(|name| !tried.contains(name))
        .collect();
    assert!(untried.is_empty(), "{untried:?}");
}
