//! Ways to break each rule, one small change each. The text to find has to be there exactly once: a mutant that no longer
//! applies proves nothing.

mod app;
mod flex;
mod handler;
mod network;
mod roles;
mod secrets;
mod surface;
mod symbols;
mod vault;

/// The rule that has to find it, the file, the text to find, and what to put there.
pub(crate) struct Mutant(
    pub(crate) &'static str,
    pub(crate) &'static str,
    pub(crate) &'static str,
    pub(crate) &'static str,
);

pub(crate) fn all() -> impl Iterator<Item = &'static Mutant> {
    let rooms = [
        symbols::MUTANTS,
        surface::MUTANTS,
        handler::MUTANTS,
        app::MUTANTS,
        flex::MUTANTS,
        vault::MUTANTS,
        network::MUTANTS,
        roles::MUTANTS,
        secrets::MUTANTS,
    ];
    rooms.into_iter().flatten()
}
