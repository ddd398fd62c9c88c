//! Sagas that kills interrupt.

use std::{io::Read, path::Path, time::Duration};

use kairo::{bus::Builder, clock::Clock, prelude::*};
use kairo_tests::support::{
    Dice, Folder,
    dice::SEED,
    parcels::{Parcel, Plan, Services, acknowledged, audit, order, settle},
};

use crate::{
    audit::integrity,
    parent::{self, End},
};

/// How many lives end by SIGKILL, and how many sagas are started, at least.
const KILLS: u32 = 110;
const PARCELS: usize = 500;

/// Of as many lives, one ends cleanly.
const CLEAN_EACH: u32 = 8;

/// How many parcels a life orders at most, and how many of them at a time.
const ORDERS_MAX: u64 = 8;
const CUSTOMERS: u64 = 4;

/// More lives than are ever needed.
const LIVES_MAX: u32 = 3_000;

fn open(folder: &Path) -> Builder {
    Kairo::builder()
        .store(format!("sqlite://{}/shop.db?synchronous=normal", folder.display()))
        .without_handlers()
        .saga(Parcel { services: Services::open(folder) })
}

/// Carries on what is there, and orders a few parcels more.
pub(crate) async fn life(folder: &Path) {
    let seed: u64 = std::env::var(SEED).unwrap().parse().unwrap();
    let kairo = open(folder).start().await.unwrap();
    for customer in 0..CUSTOMERS {
        tokio::spawn(send(kairo.clone(), folder.to_owned(), Dice::of(seed ^ customer)));
    }
    // The end of the input asks for the end of the life.
    let _ = tokio::task::spawn_blocking(|| std::io::stdin().read(&mut [0])).await;
    kairo.shutdown().await.unwrap();
}

async fn send(kairo: Kairo, folder: std::path::PathBuf, mut dice: Dice) {
    for _ in 0..ORDERS_MAX / CUSTOMERS {
        // At the end of a clean life the bus accepts nothing more.
        let Ok(_) = order(&kairo, &folder, dice.between(0, u64::MAX)).await else { return };
        Clock::system().sleep(Duration::from_millis(dice.between(0, 15))).await;
    }
}

/// Lets lives end until there were enough of them, and looks at what is left.
pub(crate) async fn check(stubborn: bool) {
    let (folder, mut dice) = (Folder::new(), Dice::seeded());
    Plan { luck: dice.between(0, u64::MAX), stubborn }.write(folder.path());
    let mut killed = 0;
    for life in 1.. {
        if KILLS <= killed && PARCELS <= acknowledged(folder.path()).len() {
            break;
        }
        assert!(life < LIVES_MAX, "{}", folder.complaints());
        let end = if life % CLEAN_EACH == 0 { End::Asked } else { End::Killed };
        killed += u32::from(end == End::Killed);
        let (seed, lifetime) = (dice.between(0, u64::MAX), dice.between(5, 300));
        parent::live(&folder, "parcels", seed, lifetime, end).await;
    }
    let kairo = open(folder.path()).start().await.unwrap();
    let stuck = settle(&kairo, folder.path()).await;
    let tally = audit(&kairo, folder.path(), true).await;
    kairo.shutdown().await.unwrap();
    drop(kairo);
    integrity(&folder);
    println!("{killed} kills: {tally}; {stuck} were stuck");
    assert!(0 < tally.completed && 0 < tally.compensated && 0 < tally.taken_over);
}
