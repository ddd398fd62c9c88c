//! Transactions that kills interrupt.

use std::{io::Read, path::Path};

use kairo::bus::Builder;
use kairo_tests::support::{Dice, Folder, accounts};

use crate::{
    audit::integrity,
    parent::{self, End},
};

/// How many lives end by SIGKILL, and how many calls are acknowledged, at least.
const KILLS: u32 = 100;
const ACKNOWLEDGED: usize = 300;

fn open(folder: &Path) -> Builder {
    accounts::open(&format!("sqlite://{}/shop.db?synchronous=normal", folder.display()))
}

/// Serves clients until somebody ends it.
pub(crate) async fn life(folder: &Path) {
    let kairo = open(folder).start().await.unwrap();
    accounts::found(&kairo).await;
    accounts::welcome(&kairo, folder, || false);
    // The end of the input asks for the end of the life.
    let _ = tokio::task::spawn_blocking(|| std::io::stdin().read(&mut [0])).await;
    kairo.shutdown().await.unwrap();
}

/// Kills lives, and looks at what is left.
pub(crate) async fn check() {
    let (folder, mut dice) = (Folder::new(), Dice::seeded());
    let mut killed = 0;
    let calls = || accounts::acknowledged(folder.path()).len();
    while killed < KILLS || calls() < ACKNOWLEDGED {
        let lifetime = if killed < 20 { dice.between(1, 30) } else { dice.between(20, 200) };
        parent::live(&folder, "accounts", 0, lifetime, End::Killed).await;
        killed += 1;
    }
    let kairo = open(folder.path()).start().await.unwrap();
    accounts::found(&kairo).await;
    let books = accounts::audit(&kairo, folder.path()).await;
    kairo.shutdown().await.unwrap();
    drop(kairo);
    integrity(&folder);
    println!("{killed} kills: {books:?}");
    assert!(0 < books.moves && 0 < books.knocks, "{books:?}");
}
