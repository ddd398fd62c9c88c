//! What is wired, for people to look at.

use std::fmt;

use super::{CrateSummary, Registry, Wired, WiredRepository};
use crate::{event::pattern::Interest, handler::Location};

/// What was found in the linked crates and what of it runs.
///
/// Written out it has a line per crate, then a line per handler and repository, then what is odd.
#[derive(Clone, Debug)]
pub struct Wiring {
    crates: Vec<CrateSummary>,
    handlers: Vec<WiredHandler>,
    repositories: Vec<WiredRepository>,
    warnings: Vec<String>,
}

impl Wiring {
    pub(super) fn of(registry: &Registry) -> Self {
        let mut handlers: Vec<_> =
            registry.durable.iter().chain(&registry.ephemeral).map(WiredHandler::of).collect();
        handlers.sort_by_key(|handler| handler.name);
        let repositories = registry.entities.iter().map(|entity| WiredRepository::of(entity));
        Self {
            crates: registry.crates.clone(),
            handlers,
            repositories: repositories.collect(),
            warnings: registry.warnings.clone(),
        }
    }

    /// What was found in each crate, by name.
    #[must_use]
    pub fn crates(&self) -> &[CrateSummary] {
        &self.crates
    }

    /// The registered handlers that run, by name.
    #[must_use]
    pub fn handlers(&self) -> &[WiredHandler] {
        &self.handlers
    }

    /// The repositories, by name.
    #[must_use]
    pub fn repositories(&self) -> &[WiredRepository] {
        &self.repositories
    }

    /// What is odd and yet can run, such as a pattern that matches no known event.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

impl fmt::Display for Wiring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for summary in &self.crates {
            writeln!(f, "{summary}")?;
        }
        for handler in &self.handlers {
            writeln!(f, "  {handler}")?;
        }
        for repository in &self.repositories {
            writeln!(f, "  {repository}")?;
        }
        for warning in &self.warnings {
            writeln!(f, "  warning: {warning}")?;
        }
        Ok(())
    }
}

/// A handler that runs. It is written as `shop::welcome on user.created (src/main.rs:7)`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WiredHandler {
    /// The durable name.
    pub name: &'static str,
    /// The events that it wants.
    pub interest: Interest,
    /// Whether it handles ephemeral events, inside `publish`.
    pub ephemeral: bool,
    /// Where it is declared.
    pub location: Location,
}

impl WiredHandler {
    fn of(wired: &Wired) -> Self {
        let Wired { entry, interest } = wired;
        Self {
            name: entry.name,
            interest: interest.clone(),
            ephemeral: entry.ephemeral,
            location: entry.location,
        }
    }
}

impl fmt::Display for WiredHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, interest, ephemeral, location } = self;
        let ephemeral = if *ephemeral { ", ephemeral" } else { "" };
        write!(f, "{name} on {interest}{ephemeral} ({location})")
    }
}
