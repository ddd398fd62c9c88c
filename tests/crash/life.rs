//! The process that is killed: it works until somebody ends it.

use std::{io::Read, path::PathBuf};

use kairo::prelude::*;
use kairo_tests::support::{Book, Dice, dice::SEED};
use tokio::runtime::Runtime;

#[cfg(unix)]
use crate::signals;
use crate::{
    accounts, bulk, parcels,
    parent::{FOLDER, WORK},
    poison, shop,
};

/// How many walkers take steps, each with a stream of its own.
const WALKERS: u64 = 6;

/// Lives as the environment says; does nothing when nobody has asked for a life.
pub(crate) fn run() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let folder = PathBuf::from(folder);
    let runtime = Runtime::new().unwrap();
    match std::env::var(WORK).unwrap().as_str() {
        "accounts" => runtime.block_on(accounts::life(&folder)),
        "poison" => runtime.block_on(poison::life(&folder)),
        "parcels" => runtime.block_on(parcels::life(&folder)),
        "bulk" => runtime.block_on(bulk::life(&folder)),
        #[cfg(unix)]
        "signals" => runtime.block_on(signals::life(&folder)),
        _ => runtime.block_on(live(&folder)),
    }
}

async fn live(folder: &std::path::Path) {
    let seed: u64 = std::env::var(SEED).unwrap().parse().unwrap();
    let kairo = shop::open(folder, false).start().await.unwrap();
    let acks = Book::open(&folder.join("acks"));
    for walker in 0..WALKERS {
        let dice = Dice::of(seed ^ walker);
        tokio::spawn(shop::walk(kairo.clone(), acks.clone(), walker, dice));
    }
    tokio::spawn(reprocess(kairo.clone()));
    // The end of the input asks for the end of the life.
    let _ = tokio::task::spawn_blocking(|| std::io::stdin().read(&mut [0])).await;
    kairo.shutdown().await.unwrap();
}

/// Reprocesses letters all the time, which fail again as long as nothing is mended.
async fn reprocess(kairo: Kairo) {
    let few = LetterFilter { limit: Some(3), ..LetterFilter::default() };
    while kairo.dead_letters().reprocess_all(few.clone()).await.is_ok() {
        kairo::clock::Clock::system().sleep(std::time::Duration::from_millis(10)).await;
    }
}
