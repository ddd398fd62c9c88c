//! What must be true of parcels in the end, whatever happened.
//!
//! The ledger says what began, under which epoch and as which attempt, and what services were asked,
//! in the order in which it happened; the journal and the log say what was stored. Together:
//!
//! - whatever was acknowledged is in the journal, under its number, and of each number there is one;
//! - no code has run for a saga that the journal does not have, or for a step that it holds for not
//!   begun: what begins was written down before;
//! - a completed saga has all its effects; a compensated one has none, and each that it had was undone
//!   after it was done; whoever asked a service for what was undone was a former owner;
//! - every attempt at a part had the same key, which says what it is of, and no other part had it;
//! - no attempt was made twice, though processes died between beginning one and storing its result;
//! - a result is stored once, told once, and is that of the last attempt that began: no code has begun
//!   again once its result was stored, not even when its owner or the result of another part was lost;
//! - from owner to owner, and within each of them, parts began in the order that the saga states.
//!
//! The epochs make this sound where processes are stopped: a former owner's lines may come late, but
//! what it began was written down before anybody else could take over.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
    path::Path,
};

use futures_util::TryStreamExt;
use kairo::{
    Position,
    prelude::*,
    saga::{Phase, SagaCompensated, SagaCompleted, SagaInfo, SagaStarted, SagaStepCompleted, Slot},
};

use super::{
    Ledger, Receipt,
    customers::acknowledged,
    ledger::{Answer, Line, What, answers},
    settle::{order_of, parcels, slot},
};

/// The parts of a parcel's saga: of what begins with the same number, neither waits for the other.
const RANKS: [(&str, u32); 8] = [
    ("reserve", 0),
    ("charge", 1),
    ("pack", 1),
    ("ship", 2),
    ("ship/undo", 3),
    ("charge/undo", 4),
    ("pack/undo", 4),
    ("reserve/undo", 5),
];

const STEPS: [&str; 4] = ["reserve", "charge", "pack", "ship"];

/// How much there was to see.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Sagas that have ended well.
    pub completed: usize,
    /// Sagas that have ended with everything undone.
    pub compensated: usize,
    /// How often the code of a step or a compensation began.
    pub begun: usize,
    /// How often it began anew under another owner than the last.
    pub taken_over: usize,
    /// What a service was asked, or somebody said, after a later owner had begun.
    pub late: usize,
    /// How often a service was asked for what it had done already.
    pub again: usize,
    /// How often a service refused what had been undone.
    pub refused: usize,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { completed, compensated, begun, taken_over, late, again, refused } = self;
        write!(f, "{completed} completed and {compensated} compensated, {begun} runs begun, ")?;
        write!(f, "{taken_over} of them taken over; services were asked again {again} times, ")?;
        write!(f, "too late {late} times, and refused {refused}")
    }
}

/// Asserts everything of parcels that have ended, and tells how much that was. Where processes
/// lived one after the other, nothing may come too late.
///
/// # Panics
/// When anything is not as it must be.
pub async fn audit(kairo: &Kairo, folder: &Path, is_alone: bool) -> Tally {
    let (all, ledger, told) = (parcels(kairo).await, Ledger::open(folder), Told::read(kairo).await);
    assert_none_lost(&all, folder);
    assert_none_unknown(&all, &ledger);
    let (mut tally, mut keys) = (Tally::default(), HashSet::new());
    for info in &all {
        let parcel = Parcel { info, lines: ledger.of(order_of(info).number), is_alone };
        parcel.check_order();
        parcel.check_effects();
        parcel.check_refusals();
        for step in STEPS {
            parcel.check_step(step, &told);
        }
        parcel.check_told(&told);
        for key in parcel.keys() {
            parcel.sure(keys.insert(key), "a key is that of one part of one saga");
        }
        parcel.count(&mut tally);
    }
    tally
}

/// Whatever was acknowledged is there, under its number.
fn assert_none_lost(all: &[SagaInfo], folder: &Path) {
    let by_id: HashMap<Uuid, u64> =
        all.iter().map(|info| (info.id, order_of(info).number)).collect();
    let numbers: HashSet<&u64> = by_id.values().collect();
    assert_eq!(numbers.len(), all.len(), "of each number there is one saga");
    for (number, ids) in acknowledged(folder) {
        for id in ids {
            assert_eq!(by_id.get(&id), Some(&number), "order {number} was acknowledged as {id}");
        }
    }
}

/// Nothing has happened for a saga that is not there.
fn assert_none_unknown(all: &[SagaInfo], ledger: &Ledger) {
    let numbers: HashSet<u64> = all.iter().map(|info| order_of(info).number).collect();
    let unknown: Vec<_> = ledger.orders().into_iter().filter(|it| !numbers.contains(it)).collect();
    assert!(unknown.is_empty(), "steps of orders that were never started: {unknown:?}");
}

/// What the bus was told of sagas.
#[derive(Default)]
struct Told {
    started: HashMap<Uuid, usize>,
    stored: HashMap<(Uuid, String), usize>,
    ended: HashMap<Uuid, Vec<Phase>>,
}

impl Told {
    async fn read(kairo: &Kairo) -> Self {
        let log: Vec<AnyEvent> =
            kairo.store().log(Position::START).try_collect().await.expect("the log can be read");
        let mut told = Self::default();
        for event in log {
            if let Ok(started) = event.decode::<SagaStarted>() {
                *told.started.entry(started.id).or_default() += 1;
            } else if let Ok(done) = event.decode::<SagaStepCompleted>() {
                *told.stored.entry((done.id, done.step.clone())).or_default() += 1;
            } else if let Ok(completed) = event.decode::<SagaCompleted>() {
                told.ended.entry(completed.id).or_default().push(Phase::Completed);
            } else if let Ok(compensated) = event.decode::<SagaCompensated>() {
                told.ended.entry(compensated.id).or_default().push(Phase::Compensated);
            }
        }
        told
    }
}

/// A saga, and what the ledger has of it.
struct Parcel<'a> {
    info: &'a SagaInfo,
    lines: Vec<Line>,
    is_alone: bool,
}

impl Parcel<'_> {
    #[track_caller]
    fn sure(&self, is_so: bool, what: &str) {
        let lines: Vec<_> = self.lines.iter().map(ToString::to_string).collect();
        let (id, number) = (self.info.id, order_of(self.info).number);
        let known = &self.info.state;
        assert!(is_so, "{what}: saga {id}, order {number}\n{}\n{known:#}", lines.join("\n"));
    }

    fn begins(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(|line| line.what == What::Begin)
    }

    /// What has begun of a part, by owner after owner.
    fn begins_of(&self, part: &str) -> Vec<&Line> {
        let mut begins: Vec<_> = self.begins().filter(|line| line.call.part == part).collect();
        begins.sort_by_key(|line| line.call.epoch);
        begins
    }

    /// Owner after owner goes on where the last one was: neither begins before a part that it
    /// follows has its result, nor once it has its own.
    fn check_order(&self) {
        let mut begins: Vec<_> = self.begins().collect();
        begins.sort_by_key(|line| line.call.epoch);
        let rank = |line: &&Line| {
            let known = RANKS.iter().find(|(part, _)| *part == line.call.part);
            known.map(|(_, rank)| *rank)
        };
        self.sure(begins.is_sorted_by_key(rank), "parts begin in their order");
        for (part, _) in RANKS {
            let begins = self.begins_of(part);
            let place = format!("parcel/{part}");
            let is_first = |line: &Line| line.call.key == begins[0].call.key;
            let is_same = |line: &Line| line.call.place == place && is_first(line);
            let calls = self.lines.iter().filter(|line| line.call.part == part);
            self.sure(calls.clone().next().is_none() || !begins.is_empty(), "calls have begun");
            self.sure(calls.clone().all(is_same), "every attempt has the key of its part");
            // A compensation that somebody has decided to try again begins to count anew.
            let count = |line: &Line| {
                let epoch = if part.ends_with("/undo") { line.call.epoch } else { 0 };
                (epoch, line.call.attempt)
            };
            let is_rising = begins.windows(2).all(|two| count(two[0]) < count(two[1]));
            self.sure(is_rising, "no attempt is made twice");
        }
        if self.is_alone {
            self.sure(self.lines.is_sorted_by_key(|line| line.call.epoch), "nothing is late");
        }
    }

    /// Everything is done where it is completed; what was done is undone where it is not.
    fn check_effects(&self) {
        let is_completed = self.info.phase == Phase::Completed;
        self.sure(is_completed || self.info.phase == Phase::Compensated, "it has ended");
        let answers = answers(&self.lines);
        for step in STEPS {
            let has = |what: What| {
                let asked =
                    |(line, _): &&(&Line, Answer)| line.what == what && line.call.step() == step;
                answers.iter().filter(asked).any(|(_, answer)| *answer == Answer::Yes)
            };
            let (is_done, is_undone) = (has(What::Apply), has(What::Undo));
            match slot(self.info, step) {
                Slot::Done(_) => {
                    self.sure(is_completed && is_done && !is_undone, "what is done stays done");
                }
                Slot::Undone(_) => {
                    self.sure(!is_completed && is_undone, "what is undone is undone");
                }
                Slot::Failed(_) => {
                    self.sure(!is_completed && !is_done, "what has failed is not done");
                }
                Slot::Pending(_) => {
                    let of_step = self.lines.iter().any(|line| line.call.step() == step);
                    self.sure(!is_completed && !of_step, "what has not begun has not begun");
                }
                other => self.sure(false, &format!("step `{step}` has not ended: {other:?}")),
            }
        }
    }

    /// Nobody who owns the saga asks for what has been undone.
    fn check_refusals(&self) {
        let answers = answers(&self.lines);
        let refused = |(_, (_, answer)): &(usize, &(&Line, Answer))| *answer == Answer::Refused;
        for (at, (line, _)) in answers.iter().enumerate().filter(refused) {
            let mut undone = answers[..at]
                .iter()
                .map(|(line, _)| line)
                .filter(|it| it.what == What::Undo && it.call.step() == line.call.step());
            let is_former = undone.any(|it| line.call.epoch < it.call.epoch);
            self.sure(is_former, "only a former owner asks for what is undone");
        }
    }

    /// The receipt that was stored for a step, and that its compensation was given.
    fn receipt(&self, step: &str) -> Option<Receipt> {
        let of_undo = format!("{step}/undo");
        let undone = self.lines.iter().filter(|line| line.call.part == of_undo);
        let given = undone.filter_map(|line| line.call.known);
        let stored = match slot(self.info, step) {
            Slot::Done(done) => Some(done.output),
            _ => None,
        };
        let mut all = given.chain(stored).filter(|receipt| receipt.attempt != 0);
        let first = all.next()?;
        self.sure(all.all(|other| other == first), "a result is stored once");
        Some(first)
    }

    /// The attempt whose result was stored is the last that began.
    fn check_step(&self, step: &str, told: &Told) {
        let receipt = self.receipt(step);
        if let Some(receipt) = receipt {
            let last = self.begins_of(step).last().map(|line| (line.call.epoch, line.call.attempt));
            self.sure(
                last == Some((receipt.epoch, receipt.attempt)),
                "nothing begins once its result is stored",
            );
        }
        let times = told.stored.get(&(self.info.id, step.to_owned())).copied().unwrap_or_default();
        self.sure(times == usize::from(receipt.is_some()), "a stored result is told once");
    }

    fn check_told(&self, told: &Told) {
        self.sure(told.started.get(&self.info.id) == Some(&1), "its start is told once");
        let ended = told.ended.get(&self.info.id).map(Vec::as_slice);
        self.sure(ended == Some(&[self.info.phase]), "its end is told once");
    }

    /// The keys of its parts.
    fn keys(&self) -> impl Iterator<Item = Uuid> {
        let of_parts: BTreeMap<_, _> =
            self.lines.iter().map(|line| (&line.call.part, line.call.key)).collect();
        of_parts.into_values()
    }

    fn count(&self, tally: &mut Tally) {
        match self.info.phase {
            Phase::Completed => tally.completed += 1,
            _ => tally.compensated += 1,
        }
        tally.begun += self.begins().count();
        for (part, _) in RANKS {
            let begins = self.begins_of(part);
            let is_other = |two: &&[&Line]| two[0].call.epoch != two[1].call.epoch;
            tally.taken_over += begins.windows(2).filter(is_other).count();
        }
        let mut latest = 0;
        for line in &self.lines {
            tally.late += usize::from(line.call.epoch < latest);
            latest = latest.max(line.call.epoch);
        }
        for (_, answer) in answers(&self.lines) {
            tally.again += usize::from(answer == Answer::Again);
            tally.refused += usize::from(answer == Answer::Refused);
        }
    }
}
