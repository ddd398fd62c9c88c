//! Dispatch: claim → read → start → deliver → settle → record, for each subscription by itself.

mod ahead;
mod buffer;
mod burial;
mod circuit;
mod claim;
mod command;
pub(crate) mod deliver;
mod intake;
mod job;
mod keeper;
mod lanes;
mod ledger;
mod loops;
mod once;
mod parking;
mod record;
mod refused;
mod replays;
mod releases;
mod runner;
pub(crate) mod scope;
mod settle;
pub(crate) mod spec;
mod start;
mod suspects;
mod waiters;

pub use self::waiters::Outcome;
pub(crate) use self::{
    claim::{Ready, Running, claim, run},
    command::{Command, KnownLetter, Status},
    deliver::{RunMiss, caught, deliver_again, run_on},
    keeper::{Hold, View},
    releases::Releases,
    settle::outcome_of,
    waiters::{Subject, Waiter},
};
