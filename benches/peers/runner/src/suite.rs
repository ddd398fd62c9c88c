//! What a suite is: rows that do the same work, and what is promised of them.

use peers_core::Work;

use crate::promise::Promise;

/// Participants that do the same.
pub(crate) struct Suite {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) unit: Unit,
    /// The first is what the others are compared with.
    pub(crate) rows: Vec<Row>,
    pub(crate) promises: Vec<Promise>,
}

impl Suite {
    /// How often its rows take turns, where figures get so many rounds: a check says the same each time.
    pub(crate) fn rounds(&self, figures: usize) -> usize {
        if self.unit == Unit::Checks { 1 } else { figures }
    }

    pub(crate) fn needs_postgres(&self) -> bool {
        self.rows.iter().any(|row| row.on == On::Postgres)
    }
}

/// What a figure means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Events,
    Loads,
    Nanos,
    /// There is no figure: what is checked is in the rows.
    Checks,
}

impl Unit {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Events => "events/s",
            Self::Loads => "loads/s",
            Self::Nanos => "ns/event",
            Self::Checks => "",
        }
    }

    /// How many times as fast a figure is as another.
    pub(crate) fn speed(self, figure: f64, other: f64) -> f64 {
        match self {
            Self::Nanos => other / figure,
            Self::Events | Self::Loads | Self::Checks => figure / other,
        }
    }
}

/// One participant in a suite.
#[derive(Clone)]
pub(crate) struct Row {
    pub(crate) label: &'static str,
    pub(crate) program: Program,
    pub(crate) variant: &'static str,
    pub(crate) on: On,
    /// What is done once, before all rounds; then the store is kept from round to round.
    pub(crate) before: Option<Work>,
    pub(crate) work: Work,
}

/// How a participant is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// A binary beside the runner's.
    Binary(&'static str),
    /// A script, which bun runs.
    Script(&'static str),
}

/// Where a participant keeps its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    Postgres,
    Sqlite,
    Nothing,
}
