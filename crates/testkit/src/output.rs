//! What a handler that has ended leaves behind, and what `handler check` says in it.

/// How a handler ended and all that it said.
#[derive(Debug)]
pub struct Output {
    /// The exit code; none after SIGKILL or a signal that was not handled.
    pub code: Option<i32>,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
}

impl Output {
    /// Both streams as one text, for what must be in neither.
    pub fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// What each fault is about, in order: the setting or the file that its line begins with.
    pub fn faults(&self) -> Vec<&str> {
        self.stderr.lines().filter_map(about).collect()
    }

    /// What each warning of a report is about.
    pub fn warnings(&self) -> Vec<&str> {
        self.section("Warnings").into_iter().filter_map(about).collect()
    }

    /// The lines of a report below this title.
    pub fn section(&self, title: &str) -> Vec<&str> {
        let lines = self.stdout.lines().skip_while(|line| !line.starts_with(title));
        lines.skip(1).take_while(|line| !line.is_empty()).collect()
    }
}

/// The name in `  NAME: what is wrong with it`.
fn about(line: &str) -> Option<&str> {
    let (name, _) = line.strip_prefix("  ")?.split_once(": ")?;
    Some(name)
}
