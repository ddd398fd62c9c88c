//! Accounts between which money moves, for processes that are killed: what is stored and what is told
//! must agree in the end, whatever happened.

use std::{
    collections::{HashMap, HashSet},
    fs::OpenOptions,
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};

use futures_util::TryStreamExt;
use kairo::{Error, Position, bus::Builder, clock::Clock, prelude::*, repository::Updated};

use super::{eventually, letters};

/// How many accounts there are, and what each has at first.
const ACCOUNTS: u64 = 5;
const CENTS: i64 = 10_000;

/// How many clients a process has.
const CLIENTS: usize = 6;

/// An account. Its clients move money to others, and knock at it.
#[repository("vaults")]
#[derive(PartialEq, Eq)]
pub struct Account {
    /// Its number.
    #[id]
    pub number: u64,
    /// What is in it.
    pub cents: i64,
    /// How often money went in or out.
    pub moves: u64,
    /// How often somebody knocked.
    pub knocks: u64,
}

/// What has gone in and out, by what the events say.
#[repository("statements")]
pub struct Statement {
    #[id]
    number: u64,
    cents: i64,
    lines: u64,
}

/// Money has moved.
#[event("money.moved")]
pub struct Moved {
    #[key]
    from: u64,
    to: u64,
    cents: i64,
}

/// It is in the statements; there is one for each move.
#[event("money.noted")]
pub struct Noted {
    #[key]
    of: Uuid,
}

/// Writes both statements, and tells of it.
///
/// # Errors
/// What the store says.
#[handler(
    event = "money.moved",
    name = "statements",
    retry(max = 50, backoff = "5ms"),
    concurrency = 4
)]
pub async fn writes_statements(
    moved: Envelope<Moved>,
    tx: &mut Tx,
    statements: Repository<Statement>,
) -> Result<Noted, Failure> {
    for (number, cents) in [(moved.from, -moved.cents), (moved.to, moved.cents)] {
        let write = |statement: &mut Statement| {
            statement.cents += cents;
            statement.lines += 1;
        };
        statements.update_with_in(tx, number, write).await?;
    }
    Ok(Noted { of: moved.id() })
}

/// A bus that keeps accounts.
pub fn open(url: &str) -> Builder {
    Kairo::builder().store(url).only(writes_statements)
}

/// Where that is written down.
fn book(folder: &Path) -> PathBuf {
    folder.join("accounts")
}

/// What was acknowledged, by every process that has come along.
#[must_use]
pub fn acknowledged(folder: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(book(folder)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// One write, so that a line is there as a whole or not at all.
fn note(folder: &Path, line: &str) {
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .open(book(folder))
        .expect("the book can be opened");
    file.write_all(format!("{line}\n").as_bytes()).expect("the book can be written");
}

/// Makes the accounts that are not there yet.
pub async fn found(kairo: &Kairo) {
    for number in 0..ACCOUNTS {
        let account = Account { number, cents: CENTS, moves: 0, knocks: 0 };
        made(kairo.repository::<Account>().create(account).await);
        let statement = Statement { number, cents: CENTS, lines: 0 };
        made(kairo.repository::<Statement>().create(statement).await);
    }
}

#[track_caller]
fn made<T>(created: kairo::Result<T>) {
    match created {
        Ok(_) | Err(Error::DocumentExists { .. }) => {}
        Err(error) => panic!("{error}"),
    }
}

/// Lets clients in, who work until the process ends or `is_over`.
pub fn welcome(kairo: &Kairo, folder: &Path, is_over: impl Fn() -> bool + Clone + Send + 'static) {
    for _ in 0..CLIENTS {
        let (kairo, folder, is_over) = (kairo.clone(), folder.to_owned(), is_over.clone());
        tokio::spawn(async move {
            while !is_over() {
                match serve(&kairo, &folder).await {
                    Ok(()) | Err(Error::DocumentMoved { .. }) => {}
                    Err(Error::Closed) => return,
                    Err(error) => eprintln!("a client was not served: {error}"),
                }
                Clock::system().sleep(Duration::from_millis(draw(4))).await;
            }
        });
    }
}

fn draw(below: u64) -> u64 {
    u64::from(Clock::system().draw()) % below
}

async fn serve(kairo: &Kairo, folder: &Path) -> kairo::Result {
    let accounts = kairo.repository::<Account>();
    let (from, steps) = (draw(ACCOUNTS), 1 + draw(ACCOUNTS - 1));
    if draw(3) == 0 {
        accounts.update_with(from, |account| account.knocks += 1).await?;
        note(folder, &format!("knock {from}"));
        return Ok(());
    }
    let (to, cents) = ((from + steps) % ACCOUNTS, 1 + draw(99).cast_signed());
    let moved = kairo
        .transaction(async |tx| {
            let out = |account: &mut Account| {
                account.cents -= cents;
                account.moves += 1;
            };
            accounts.update_with_in(tx, from, out).await?;
            let into = |account: &mut Account| {
                account.cents += cents;
                account.moves += 1;
            };
            accounts.update_with_in(tx, to, into).await?;
            Ok(tx.publish(Moved { from, to, cents }).await?.id())
        })
        .await?;
    note(folder, &format!("moved {moved}"));
    Ok(())
}

/// What there was to look at.
#[derive(Debug)]
pub struct Books {
    /// How often money has moved.
    pub moves: usize,
    /// How often somebody has knocked.
    pub knocks: u64,
}

/// Waits until everything is handled, and asserts that state and log agree: every change has its event
/// and the reverse, and every event had its effects once.
pub async fn audit(kairo: &Kairo, folder: &Path) -> Books {
    let log: Vec<AnyEvent> =
        kairo.store().log(Position::START).try_collect().await.expect("what is stored can be read");
    let of = |name: &str| log.iter().filter(|event| event.name() == name).collect::<Vec<_>>();
    let moved: HashSet<Uuid> = of("money.moved").iter().map(|event| event.id()).collect();
    eventually(async || noted(kairo).await.len() >= moved.len()).await;
    assert!(letters(kairo).await.is_empty());
    let notes = noted(kairo).await;
    assert_eq!(notes.len(), moved.len(), "each move is noted once");
    assert_eq!(notes.into_iter().collect::<HashSet<_>>(), moved);
    let accounts: Vec<Account> =
        kairo.repository::<Account>().all().await.expect("what is stored can be read");
    check_told(kairo, &log, &accounts).await;
    check_acknowledged(folder, &moved, &accounts);
    let total: i64 = accounts.iter().map(|account| account.cents).sum();
    assert_eq!(total, CENTS * ACCOUNTS.cast_signed(), "no money came or went");
    let sides: u64 = accounts.iter().map(|account| account.moves).sum();
    assert_eq!(sides, 2 * moved.len() as u64, "each move has its event");
    for account in &accounts {
        let statement = kairo
            .repository::<Statement>()
            .get(account.number)
            .await
            .expect("what is stored can be read");
        assert_eq!((statement.cents, statement.lines), (account.cents, account.moves));
    }
    let knocks = accounts.iter().map(|account| account.knocks).sum();
    Books { moves: moved.len(), knocks }
}

async fn noted(kairo: &Kairo) -> Vec<Uuid> {
    let notes = super::logged(kairo, "money.noted").await;
    notes
        .iter()
        .map(|event| event.decode::<Noted>().expect("what is stored can be read").of)
        .collect()
}

/// Every account is what its last event says, and each event follows from the one before it.
async fn check_told(kairo: &Kairo, log: &[AnyEvent], accounts: &[Account]) {
    let mut told: HashMap<u64, (Account, u64)> = HashMap::new();
    for event in log {
        match event.name() {
            "vaults.created" => {
                let created = event
                    .decode::<kairo::repository::Created<Account>>()
                    .expect("what is stored can be read");
                assert!(told.insert(created.id, (created.entity, 1)).is_none());
            }
            "vaults.updated" => {
                let Updated { id, before, entity, .. } =
                    event.decode().expect("what is stored can be read");
                let (last, version) = told.get_mut(&id).expect("what is stored can be read");
                assert_eq!(*last, before);
                (*last, *version) = (entity, *version + 1);
            }
            _ => {}
        }
    }
    for account in accounts {
        let (last, version) = &told[&account.number];
        assert_eq!(last, account);
        let stored = kairo
            .repository::<Account>()
            .stored(account.number)
            .await
            .expect("what is stored can be read");
        assert_eq!(stored.version, *version, "each change has its event");
    }
}

/// What a client was told is so.
fn check_acknowledged(folder: &Path, moved: &HashSet<Uuid>, accounts: &[Account]) {
    let mut knocks: HashMap<u64, u64> = HashMap::new();
    for line in acknowledged(folder) {
        match line.split_once(' ').expect("what is stored can be read") {
            ("moved", id) => assert!(
                moved.contains(&id.parse().expect("what is stored can be read")),
                "lost: {id}"
            ),
            (_, number) => {
                *knocks.entry(number.parse().expect("what is stored can be read")).or_default() +=
                    1;
            }
        }
    }
    for account in accounts {
        let heard = knocks.get(&account.number).copied().unwrap_or_default();
        assert!(heard <= account.knocks, "lost: a knock at {}", account.number);
    }
}
