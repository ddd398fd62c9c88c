//! Dispatch: claim → read → start → deliver → settle → record, for each subscription by itself.

mod buffer;
mod circuit;
mod claim;
mod deliver;
mod intake;
mod job;
mod keeper;
mod lanes;
mod ledger;
mod parking;
mod record;
mod replays;
mod runner;
pub(crate) mod scope;
mod settle;
pub(crate) mod spec;
mod start;
mod suspects;
mod waiters;

pub use self::waiters::Outcome;
pub(crate) use self::{
    claim::{Running, claim},
    deliver::{RunMiss, poll_once, run_on},
    keeper::{Hold, View},
    runner::{Command, KnownLetter, Status},
    settle::outcome_of,
    waiters::{Subject, Waiter},
};
