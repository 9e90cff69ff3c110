//! `infra/` as the Bicep compiler sees it.
//!
//! `snapshots/NAME.json` is what `bicep snapshot` predicts for `NAME.bicepparam`, committed and reviewed like code, and
//! `template.json` has what no snapshot shows: order, conditions, parameters and the outputs of modules. The rules hold
//! the committed files on every machine. Where there is a compiler (`BICEP`, `../shared/bicep/bicep` or `bicep` on the
//! PATH) it has to produce exactly those files, and print no diagnostic.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a broken expectation ends a test"
)]

mod compiler;
mod files;
mod mutants;
mod project;
mod rpc;
mod rules;
mod snapshot;
mod template;

use project::Project;

fn assert_none(findings: &[String], remedy: &str) {
    assert!(
        findings.is_empty(),
        "{} findings{remedy}\n{}",
        findings.len(),
        findings.join("\n")
    );
}

#[test]
fn what_would_be_deployed_keeps_every_rule() {
    let project = Project::read();
    assert!(project.snapshots.len() >= 18, "{} snapshots", project.snapshots.len());
    assert_none(&rules::check(&project), "");
}

#[test]
fn every_change_that_breaks_a_rule_is_caught_by_that_rule() {
    assert_none(&mutants::survivors(&Project::read()), "");
}

#[test]
fn the_committed_files_are_of_these_sources() {
    assert_none(&compiler::stale(), compiler::REMEDY);
}

#[test]
fn the_compiler_predicts_what_is_committed_and_prints_nothing() {
    let Some(bicep) = compiler::find() else { return };
    assert_none(&compiler::differences(&bicep), compiler::REMEDY);
}

#[test]
fn the_compiler_reports_every_fault_in_a_source() {
    let Some(bicep) = compiler::find() else { return };
    assert_none(&compiler::silent_faults(&bicep), "");
}
