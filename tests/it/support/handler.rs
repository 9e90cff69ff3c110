//! The test kit's, and the binary that Cargo built for this test run.

pub(crate) use testkit::handler::{Environment, Handler, Launch, Output, ROOT, ReservedPort};

pub(crate) const EXECUTABLE: &str = env!("CARGO_BIN_EXE_handler");
