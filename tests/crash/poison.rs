//! An event that takes its process down, among others that do not.

use std::path::Path;

use kairo::{Reason, bus::Builder, prelude::*};
use kairo_tests::support::{Book, Folder, eventually, letters};

use crate::parent;

/// How many events there are; the one in the middle is the poison.
const EVENTS: u64 = 21;
const POISON: u64 = EVENTS / 2;

#[event("glass.filled")]
struct Glass {
    #[key]
    number: u64,
}

/// Ends the process as a broken library would: at once, and without a panic.
#[handler(event = "glass.filled", name = "drinks")]
async fn drinks(glass: &Glass, book: State<Book>) {
    book.note(&format!("begin {}", glass.number));
    tokio::task::yield_now().await;
    if glass.number == POISON {
        std::process::abort();
    }
    book.note(&format!("end {}", glass.number));
}

fn open(folder: &Path) -> Builder {
    Kairo::builder()
        .store(format!("sqlite://{}/shop.db?synchronous=normal", folder.display()))
        .state(Book::open(&folder.join("ledger")))
        .only(drinks)
}

/// Fills the glasses, unless an earlier life has, and drinks until nothing is left.
pub(crate) async fn life(folder: &Path) {
    let kairo = open(folder).start().await.unwrap();
    if kairo.store().head().await.unwrap() == kairo::Position::START {
        let all: Vec<_> = (0..EVENTS).map(|number| Glass { number }).collect();
        let _ = kairo.publish_all(all).await.unwrap();
    }
    eventually(async || is_drunk(folder) && letters(&kairo).await.len() == 1).await;
    kairo.shutdown().await.unwrap();
}

/// Whether every glass but the poisoned one has been emptied.
fn is_drunk(folder: &Path) -> bool {
    let ledger = std::fs::read_to_string(folder.join("ledger")).unwrap_or_default();
    let ended = |number| ledger.lines().any(|line| line == format!("end {number}"));
    (0..EVENTS).filter(|number| *number != POISON).all(ended)
}

/// Lets lives end until one does not, and looks at what is left.
pub(crate) async fn check() {
    let folder = Folder::new();
    let mut crashes = 0;
    while !parent::ends(parent::start(&folder, "poison", 0)).await.success() {
        crashes += 1;
        assert!(crashes < 20, "{}", folder.complaints());
    }
    assert_eq!(crashes, 6, "once in company, five times alone");
    let kairo = open(folder.path()).start().await.unwrap();
    let letter = letters(&kairo).await.remove(0);
    assert_eq!(letter.reason, Reason::CrashLoop);
    assert_eq!(letter.event().decode::<Glass>().unwrap().number, POISON);
    assert_eq!(letters(&kairo).await.len(), 1);
    assert!(is_drunk(folder.path()));
    let drunk = std::fs::read_to_string(folder.file("ledger")).unwrap();
    let flights = drunk.lines().filter(|line| *line == format!("begin {POISON}")).count();
    assert_eq!(flights, 6);
    kairo.shutdown().await.unwrap();
}
