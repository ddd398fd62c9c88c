//! The comparison: every participant is a process of its own, and they take turns.
//!
//! In each round each participant runs once, and the next round begins with the last of them, so that
//! whatever else the machine does hits all alike. What counts is the median of the rounds, and only ratios
//! within a suite are worth quoting. Nothing is asserted, and nothing is written but what is printed.

mod machine;
mod place;
mod promise;
mod run;
mod server;
mod suite;
mod suites;
mod table;

use std::{env, path::PathBuf, time::Instant};

use anyhow::{Context, Result, bail};

use crate::{place::Places, run::Runner, server::Server, suite::Suite};

/// How often each participant runs.
const ROUNDS: usize = 5;

/// How long it is measured each time, in seconds.
const SECONDS: f64 = 1.0;

/// What `--quick` makes of the two: whether everything runs, not how fast.
const QUICK: (usize, f64) = (1, 0.3);

/// How many events the log of a catch-up has, and with `--quick`.
const LOG_EVENTS: (u64, u64) = (1_000_000, 20_000);

const USAGE: &str =
    "usage: run [--quick] [--rounds N] [--seconds S] [--data FOLDER] [--list] [SUITE..]
A suite is named by its beginning: `postgres`, `sqlite-append-64`.";

/// What the command line asks for.
struct Options {
    rounds: usize,
    seconds: f64,
    log_events: u64,
    /// Where the data lies for the time of the run: a folder on a disk.
    data: PathBuf,
    list: bool,
    /// Beginnings of names; all suites where there are none.
    wanted: Vec<String>,
}

impl Options {
    fn from_arguments() -> Result<Self> {
        let mut options = Self {
            rounds: ROUNDS,
            seconds: SECONDS,
            log_events: LOG_EVENTS.0,
            data: env::temp_dir(),
            list: false,
            wanted: Vec::new(),
        };
        let mut arguments = env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value =
                || arguments.next().with_context(|| format!("`{argument}` needs a value"));
            match argument.as_str() {
                "--quick" => {
                    (options.rounds, options.seconds) = QUICK;
                    options.log_events = LOG_EVENTS.1;
                }
                "--rounds" => options.rounds = value()?.parse().context("rounds are a number")?,
                "--seconds" => {
                    options.seconds = value()?.parse().context("seconds are a number")?;
                }
                "--data" => options.data = value()?.into(),
                "--list" => options.list = true,
                unknown if unknown.starts_with('-') => bail!("there is no `{unknown}`\n{USAGE}"),
                suite => options.wanted.push(suite.to_owned()),
            }
        }
        Ok(options)
    }

    fn wants(&self, suite: &Suite) -> bool {
        self.wanted.is_empty()
            || self.wanted.iter().any(|name| suite.name.starts_with(name.as_str()))
    }
}

fn main() -> Result<()> {
    let options = Options::from_arguments()?;
    let mut suites = suites::all(options.log_events);
    suites.retain(|suite| options.wants(suite));
    if suites.is_empty() {
        bail!("no suite begins with any of {:?}\n{USAGE}", options.wanted);
    }
    if options.list {
        for suite in &suites {
            println!("{}: {}", suite.name, suite.title);
        }
        return Ok(());
    }
    let start = Instant::now();
    let folder = place::Folder::new(&options.data)?;
    let server = suites.iter().any(Suite::needs_postgres).then(|| Server::start(&folder));
    let server = server.transpose()?;
    machine::describe(&folder, server.as_ref())?;
    let runner = Runner { places: Places::new(&folder, server.as_ref()), seconds: options.seconds };
    for suite in &suites {
        let rounds = suite.rounds(options.rounds);
        let begun = Instant::now();
        println!("\n{}", table::of(suite, rounds, &runner.run(suite, rounds)?));
        eprintln!("{}: {:.0} s", suite.name, begun.elapsed().as_secs_f64());
    }
    println!("\nAll of it took {:.1} minutes.", start.elapsed().as_secs_f64() / 60.0);
    Ok(())
}
