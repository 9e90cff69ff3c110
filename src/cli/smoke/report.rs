//! The outcome of each check, for people.

use std::fmt::Write;

use super::differences::Differences;
use super::options::Options;

/// One check with its outcome.
#[derive(Debug)]
pub(super) struct Check {
    title: String,
    verdict: Verdict,
}

#[derive(Debug)]
enum Verdict {
    Passed,
    Failed {
        differences: Differences,
        remedy: String,
    },
    /// Why it was not run.
    NotRun(&'static str),
}

impl Check {
    /// Passes when nothing differs; `remedy` says what to change otherwise.
    pub(super) fn new(
        title: impl Into<String>,
        differences: Differences,
        remedy: impl FnOnce(&Differences) -> String,
    ) -> Self {
        let verdict = if differences.is_empty() {
            Verdict::Passed
        } else {
            let remedy = remedy(&differences);
            Verdict::Failed { differences, remedy }
        };
        Self {
            title: title.into(),
            verdict,
        }
    }

    pub(super) fn not_run(title: impl Into<String>, why: &'static str) -> Self {
        Self {
            title: title.into(),
            verdict: Verdict::NotRun(why),
        }
    }

    pub(super) fn has_failed(&self) -> bool {
        matches!(self.verdict, Verdict::Failed { .. })
    }
}

/// The checks so far, in their order.
#[derive(Debug, Default)]
pub(super) struct Checked {
    checks: Vec<Check>,
}

impl Checked {
    pub(super) fn add(&mut self, check: Check) {
        self.checks.push(check);
    }

    /// Whether any check failed.
    pub(super) fn has_failed(&self) -> bool {
        self.checks.iter().any(Check::has_failed)
    }

    /// For people; no credential is in it.
    pub(super) fn text(&self, options: &Options) -> String {
        let mut text = String::new();
        let (mut passed, mut failed, mut not_run) = (0, 0, 0);
        for Check { title, verdict } in &self.checks {
            // Writing to a string cannot fail.
            let _ = match verdict {
                Verdict::Passed => {
                    passed += 1;
                    writeln!(text, "ok       {title}")
                }
                Verdict::NotRun(why) => {
                    not_run += 1;
                    writeln!(text, "not run  {title}: {why}")
                }
                Verdict::Failed { differences, remedy } => {
                    failed += 1;
                    let expected = options.printable(&differences.expected.join("; "));
                    let came = options.printable(&differences.came.join("; "));
                    let remedy: Vec<_> = remedy.lines().map(|line| options.printable(line)).collect();
                    let remedy = remedy.join("\n                   ");
                    writeln!(
                        text,
                        "FAILED   {title}\n         expected: {expected}\n         came:     {came}\n         \
                         remedy:   {remedy}"
                    )
                }
            };
        }
        let _ = writeln!(text, "\n{passed} ok, {failed} failed, {not_run} not run");
        text
    }
}
