//! What services were asked, in files that outlive every process.
//!
//! Each order has a file, to which whole lines are added. Their order in the file is what happened:
//! there is no lock that a stopped process could hold.

use std::{
    collections::HashSet,
    fmt,
    fs::{self, OpenOptions},
    io::{Read, Seek, Write},
    path::{Path, PathBuf},
};

use kairo::prelude::*;

use super::Receipt;

/// What a line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum What {
    /// The code of a part begins.
    Begin,
    /// A service is asked to do something.
    Apply,
    /// A service is asked to undo something.
    Undo,
    /// The code of a part comes to its end.
    End,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// What is being done, as the code says: `charge`, or `charge/undo`.
    pub part: String,
    /// The key that it was given.
    pub key: Uuid,
    /// What the key says that it is of.
    pub place: String,
    /// The key's epoch.
    pub epoch: u64,
    /// The attempt, from 1.
    pub attempt: u32,
    /// The process.
    pub process: u32,
    /// What a compensation knows of its step.
    pub known: Option<Receipt>,
}

impl Call {
    pub(super) fn new(part: String, key: &IdempotencyKey, attempt: Attempt) -> Self {
        Self {
            part,
            key: key.id(),
            place: key.place().to_owned(),
            epoch: key.epoch(),
            attempt: attempt.get(),
            process: std::process::id(),
            known: None,
        }
    }

    /// The step that it is about.
    #[must_use]
    pub fn step(&self) -> &str {
        self.part.trim_end_matches("/undo")
    }
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What it says.
    pub what: What,
    /// Of which call.
    pub call: Call,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Call { part, key, place, epoch, attempt, process, known } = &self.call;
        let known = known.unwrap_or(Receipt { epoch: 0, attempt: 0 });
        let is_known = u32::from(self.call.known.is_some());
        write!(f, "{:?} {part} {key} {place} {epoch} {attempt} {process}", self.what)?;
        write!(f, " {is_known} {} {}", known.epoch, known.attempt)
    }
}

impl Line {
    fn parse(line: &str) -> Option<Self> {
        let words: Vec<_> = line.split(' ').collect();
        let [what, part, key, place, epoch, attempt, process, is_known, of_epoch, of_attempt] =
            words[..]
        else {
            return None;
        };
        let known = Receipt { epoch: of_epoch.parse().ok()?, attempt: of_attempt.parse().ok()? };
        let call = Call {
            part: part.to_owned(),
            key: key.parse().ok()?,
            place: place.to_owned(),
            epoch: epoch.parse().ok()?,
            attempt: attempt.parse().ok()?,
            process: process.parse().ok()?,
            known: (is_known == "1").then_some(known),
        };
        let all = [What::Begin, What::Apply, What::Undo, What::End];
        let what = all.into_iter().find(|it| format!("{it:?}") == what)?;
        Some(Self { what, call })
    }
}

/// What a service answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It has done, or undone, what it was asked for.
    Yes,
    /// It had done so before.
    Again,
    /// What it was asked to do has been undone already, and is not done any more.
    Refused,
}

/// The files.
#[derive(Clone, Debug)]
pub struct Ledger {
    folder: PathBuf,
}

impl Ledger {
    /// The ledger of those who meet in a folder.
    #[must_use]
    pub fn open(folder: &Path) -> Self {
        let folder = folder.join("orders");
        fs::create_dir_all(&folder).expect("there is room for a folder");
        Self { folder }
    }

    /// Adds a line to an order's, and says what is there up to it.
    ///
    /// It is one write between line ends, so that a line that a kill has torn is none, and
    /// spoils no other.
    #[must_use]
    pub fn note(&self, order: u64, what: What, call: &Call) -> Vec<Line> {
        let path = self.folder.join(order.to_string());
        let file = OpenOptions::new().append(true).read(true).create(true).open(path);
        let mut file = file.expect("the ledger can be opened");
        let line = Line { what, call: call.clone() };
        file.write_all(format!("\n{line};\n").as_bytes()).expect("the ledger has room");
        let end = file.stream_position().expect("a file has a position");
        file.rewind().expect("a file can be read again");
        let mut text = String::new();
        file.take(end).read_to_string(&mut text).expect("the ledger can be read");
        lines(&text)
    }

    /// All that is there of an order.
    #[must_use]
    pub fn of(&self, order: u64) -> Vec<Line> {
        lines(&fs::read_to_string(self.folder.join(order.to_string())).unwrap_or_default())
    }

    /// The orders of which anything is there.
    #[must_use]
    pub fn orders(&self) -> Vec<u64> {
        let files = fs::read_dir(&self.folder).expect("the ledger can be read");
        let names = files.filter_map(|file| file.ok()?.file_name().into_string().ok());
        names.filter_map(|name| name.parse().ok()).collect()
    }
}

fn lines(text: &str) -> Vec<Line> {
    text.lines().filter_map(|line| Line::parse(line.strip_suffix(';')?)).collect()
}

/// Each call that a service was asked, and its answer.
///
/// It does what it is asked once. Once it was asked to undo it, whether it had been done or not, it
/// refuses to do it.
#[must_use]
pub(super) fn answers(lines: &[Line]) -> Vec<(&Line, Answer)> {
    let (mut done, mut undone) = (HashSet::new(), HashSet::new());
    let mut answers = Vec::new();
    for line in lines {
        let step = line.call.step();
        let answer = match line.what {
            What::Apply if undone.contains(step) => Answer::Refused,
            What::Apply => once(&mut done, step),
            What::Undo => once(&mut undone, step),
            What::Begin | What::End => continue,
        };
        answers.push((line, answer));
    }
    answers
}

fn once<'a>(known: &mut HashSet<&'a str>, step: &'a str) -> Answer {
    if known.insert(step) { Answer::Yes } else { Answer::Again }
}
