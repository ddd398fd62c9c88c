//! Those who order parcels: every order gets a number, and is started once, whoever starts it.

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io::Write,
    path::Path,
};

use kairo::{Error, prelude::*};

use super::{Order, Parcel, roll};

/// How many orders may be overtaken by others.
const WINDOW: u64 = 6;

/// Of as many orders, one is cancelled at once.
const CANCELLED_EACH: u64 = 12;

/// What all orders of a run have in common.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// What their chances depend on.
    pub luck: u64,
    /// Whether some of their compensations fail at first.
    pub stubborn: bool,
}

impl Plan {
    /// Tells it to all who meet in a folder.
    pub fn write(self, folder: &Path) {
        let text = format!("{} {}", self.luck, self.stubborn);
        fs::write(folder.join("plan"), text).expect("there is room for a plan");
    }

    /// What was told.
    #[must_use]
    pub fn read(folder: &Path) -> Self {
        let text = fs::read_to_string(folder.join("plan")).expect("somebody has made a plan");
        let (luck, stubborn) = text.split_once(' ').expect("a plan has two words");
        let luck = luck.parse().expect("luck is a number");
        Self { luck, stubborn: stubborn == "true" }
    }

    const fn order(self, number: u64) -> Order {
        Order { number, luck: self.luck, stubborn: self.stubborn }
    }
}

/// The orders of which somebody has heard that they have begun, and what they were told.
#[must_use]
pub fn acknowledged(folder: &Path) -> BTreeMap<u64, Vec<Uuid>> {
    let text = fs::read_to_string(folder.join("acks")).unwrap_or_default();
    let mut known: BTreeMap<u64, Vec<Uuid>> = BTreeMap::new();
    for line in text.lines() {
        let words = line.strip_suffix(';').and_then(|line| line.split_once(' '));
        if let Some((Ok(number), Ok(id))) = words.map(|(number, id)| (number.parse(), id.parse())) {
            known.entry(number).or_default().push(id);
        }
    }
    known
}

/// Starts one of the next orders that nobody has acknowledged, perhaps one that somebody else has
/// begun or is about to, and writes down what came of it. Some customers change their minds.
///
/// # Errors
/// Why it could not be started, or cancelled.
pub async fn order(kairo: &Kairo, folder: &Path, draw: u64) -> kairo::Result<Uuid> {
    let known = acknowledged(folder);
    let mut free = (0..).filter(|number| !known.contains_key(number));
    let nth = usize::try_from(roll(draw, 0) % WINDOW).unwrap_or_default();
    let number = free.nth(nth).unwrap_or_default();
    let parcels = kairo.saga_of::<Parcel>()?.key(number.to_string());
    let id = parcels.start(Plan::read(folder).order(number)).await?;
    let acks = OpenOptions::new().append(true).create(true).open(folder.join("acks"));
    let line = format!("\n{number} {id};\n");
    acks.and_then(|mut acks| acks.write_all(line.as_bytes())).expect("there is room for a line");
    if roll(draw, 1).is_multiple_of(CANCELLED_EACH) {
        match kairo.sagas().cancel(id).await {
            // It has ended already, or waits for somebody to decide.
            Ok(()) | Err(Error::WrongState(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(id)
}
