//! A bulk reprocess that kills interrupt.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use kairo::{bus::Builder, delivery::LetterState, prelude::*};
use kairo_tests::support::{Book, Dice, Folder, dice::SEED, eventually, letters, logged};

use crate::{audit, parent};

/// How many streams of letters there are, and how many letters in each.
const WARDS: u64 = 5;
const BEDS: u64 = 30;

/// How many lives end by SIGKILL.
const KILLS: usize = 6;

/// How many letters a life works off at most before it waits for its end.
const CURES_MAX: u64 = 25;

#[event("patient.came")]
struct Patient {
    #[key]
    ward: u64,
    bed: u64,
}

/// Returned by the handler: there is one for each patient.
#[event("patient.healed")]
struct Healed {
    #[key]
    ward: u64,
    bed: u64,
}

/// What the handler works with.
struct Clinic {
    book: Book,
    /// How many patients can be healed in this life; nobody can when there is no cure at all.
    cures: u64,
    used: AtomicU64,
}

#[handler(event = "patient.came", name = "heals", concurrency = 3)]
async fn heals(patient: &Patient, clinic: State<Clinic>) -> Result<Healed, Failure> {
    if clinic.cures == 0 {
        return Err(Failure::permanent("there is no cure"));
    }
    if clinic.cures <= clinic.used.fetch_add(1, Ordering::SeqCst) {
        std::future::pending::<()>().await;
    }
    tokio::task::yield_now().await;
    clinic.book.note(&format!("{} {}", patient.ward, patient.bed));
    Ok(Healed { ward: patient.ward, bed: patient.bed })
}

fn open(folder: &Path, cures: u64) -> Builder {
    let book = Book::open(&folder.join("ledger"));
    Kairo::builder()
        .store(format!("sqlite://{}/shop.db?synchronous=normal", folder.display()))
        .state(Clinic { book, cures, used: AtomicU64::new(0) })
        .only(heals)
}

/// Reprocesses all letters, as far as there are cures, and waits for its end.
pub(crate) async fn life(folder: &Path) {
    let cures = std::env::var(SEED).unwrap().parse().unwrap();
    let kairo = open(folder, cures).start().await.unwrap();
    kairo.dead_letters().reprocess_all(LetterFilter::default()).await.unwrap();
    std::future::pending::<()>().await;
}

/// Makes a letter of every patient.
async fn fill(folder: &Folder) {
    let kairo = open(folder.path(), 0).start().await.unwrap();
    let wards = (0..BEDS).flat_map(|bed| (0..WARDS).map(move |ward| Patient { ward, bed }));
    let came = kairo.publish_all(wards).await.unwrap();
    came.settled().await.unwrap();
    kairo.shutdown().await.unwrap();
    assert_kept(folder);
}

/// Whoever has come has either one letter or been healed once.
fn assert_kept(folder: &Folder) {
    let connection = rusqlite::Connection::open(folder.file("shop.db")).unwrap();
    let count = |select| connection.query_row(select, [], |row| row.get::<_, i64>(0)).unwrap();
    let letters = count("SELECT count(*) FROM kairo_dead_letter");
    let patients = count("SELECT count(DISTINCT position) FROM kairo_dead_letter");
    let healed = count("SELECT count(*) FROM kairo_event WHERE name = 'patient.healed'");
    let all = i64::try_from(WARDS * BEDS).unwrap();
    assert_eq!((letters, letters + healed), (patients, all), "{healed} are healed");
}

pub(crate) async fn check() {
    let (folder, mut dice) = (Folder::new(), Dice::seeded());
    fill(&folder).await;
    for _ in 0..KILLS {
        let (healed, cures) = (folder.lines("ledger").len(), dice.between(1, CURES_MAX));
        let mut child = parent::start(&folder, "bulk", cures);
        let wanted = healed + usize::try_from(cures).unwrap();
        eventually(async || wanted <= folder.lines("ledger").len()).await;
        child.kill().await.unwrap();
        assert_kept(&folder);
    }
    let kairo = open(folder.path(), u64::MAX).start().await.unwrap();
    // What had begun goes on by itself, and what had not been reached is reprocessed when asked.
    let all = LetterFilter { limit: Some(usize::MAX), ..LetterFilter::default() };
    eventually(async || {
        let left = kairo.dead_letters().list(all.clone()).await.unwrap();
        left.iter().all(|letter| letter.state == LetterState::Dead)
    })
    .await;
    kairo.dead_letters().reprocess_all(LetterFilter::default()).await.unwrap();
    eventually(async || letters(&kairo).await.is_empty()).await;
    assert_eq!(logged(&kairo, "patient.healed").await.len() as u64, WARDS * BEDS);
    kairo.shutdown().await.unwrap();
    drop(kairo);
    assert_in_order(&folder);
    assert_kept(&folder);
    audit::integrity(&folder);
}

/// Nobody was healed before those who lie before them in their ward.
fn assert_in_order(folder: &Folder) {
    let ledger = folder.lines("ledger");
    for ward in 0..WARDS {
        let prefix = format!("{ward} ");
        let beds = ledger.iter().filter_map(|line| line.strip_prefix(&prefix)?.parse().ok());
        let (mut seen, beds): (BTreeSet<u64>, Vec<u64>) = (BTreeSet::new(), beds.collect());
        for bed in &beds {
            assert!((0..*bed).all(|before| seen.contains(&before)), "ward {ward}: {beds:?}");
            seen.insert(*bed);
        }
        assert_eq!(seen.len() as u64, BEDS);
    }
}
