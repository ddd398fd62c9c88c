//! Running the rows of a suite in turns, each in a process of its own.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use peers_core::{Reply, Task, Work};

use crate::{
    machine,
    place::Places,
    suite::{Program, Row, Suite},
};

/// How long a participant may take, whatever it does.
const PATIENCE: Duration = Duration::from_mins(3);

/// How often it is looked at whether a participant has ended.
const LOOK: Duration = Duration::from_millis(10);

/// Runs suites.
pub(crate) struct Runner<'a> {
    pub(crate) places: Places<'a>,
    pub(crate) seconds: f64,
}

/// What came of all rounds of a suite.
#[derive(Debug)]
pub(crate) struct Rounds {
    /// For each row what came of each round, or why nothing did.
    pub(crate) replies: Vec<Vec<Result<Reply>>>,
    /// How long the disk took to keep a page before each run, in microseconds.
    pub(crate) syncs: Vec<f64>,
    /// How busy the machine was before each round.
    pub(crate) loads: Vec<f64>,
}

impl Runner<'_> {
    /// Lets all rows of a suite take turns.
    pub(crate) fn run(&self, suite: &Suite, rounds: usize) -> Result<Rounds> {
        let kept = suite.rows.iter().enumerate().map(|(number, row)| self.prepare(number, row));
        let kept: Vec<_> = kept.collect();
        let replies = suite.rows.iter().map(|_| Vec::new()).collect();
        let mut seen = Rounds { replies, syncs: Vec::new(), loads: Vec::new() };
        for round in 0..rounds {
            seen.loads.push(machine::load());
            let mut order: Vec<_> = (0..suite.rows.len()).collect();
            if round % 2 == 1 {
                order.reverse();
            }
            for number in order {
                seen.syncs.push(machine::sync_micros(self.places.folder())?);
                let reply = self.take_turn(number, &suite.rows[number], &kept[number]);
                if let Err(error) = &reply {
                    eprintln!("{}, {}: {error:#}", suite.name, suite.rows[number].label);
                }
                seen.replies[number].push(reply);
            }
        }
        Ok(seen)
    }

    /// Does what comes before all rounds; the place that is kept from round to round.
    fn prepare(&self, number: usize, row: &Row) -> Result<Option<String>> {
        let Some(before) = row.before else { return Ok(None) };
        let url = self.places.fresh(row.on, number)?;
        self.start(row, before, &url)?;
        Ok(Some(url))
    }

    fn take_turn(&self, number: usize, row: &Row, kept: &Result<Option<String>>) -> Result<Reply> {
        match kept {
            Ok(Some(url)) => self.start(row, row.work, url),
            Ok(None) => {
                let url = self.places.fresh(row.on, number)?;
                self.start(row, row.work, &url)
            }
            Err(error) => bail!("what it needs could not be made: {error:#}"),
        }
    }

    /// Starts a participant, and waits for its reply.
    fn start(&self, row: &Row, work: Work, url: &str) -> Result<Reply> {
        let variant = row.variant.to_owned();
        let task = Task { url: url.to_owned(), variant, seconds: self.seconds, work };
        let mut command = command(row.program)?;
        command.arg(serde_json::to_string(&task)?);
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = child.spawn().with_context(|| format!("{command:?} cannot be started"))?;
        let ended = wait(&mut child)?;
        let output = child.wait_with_output()?;
        let errors = String::from_utf8_lossy(&output.stderr);
        let errors = errors.trim();
        ensure!(ended, "it did not end within {} s: {errors}", PATIENCE.as_secs());
        ensure!(output.status.success(), "{errors}");
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

/// Waits until a process ends, and ends it if that takes too long.
fn wait(child: &mut Child) -> Result<bool> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if child.try_wait()?.is_some() {
            return Ok(true);
        }
        thread::sleep(LOOK);
    }
    child.kill()?;
    Ok(false)
}

fn command(program: Program) -> Result<Command> {
    match program {
        Program::Binary(name) => {
            let here = env::current_exe()?;
            Ok(Command::new(here.with_file_name(name)))
        }
        Program::Script(name) => {
            let mut command = Command::new(bun());
            command.arg(scripts().join(name));
            Ok(command)
        }
    }
}

/// The bun that the command of the comparison installs.
pub(crate) fn bun() -> PathBuf {
    scripts().join("node_modules/.bin/bun")
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../typescript")
}
