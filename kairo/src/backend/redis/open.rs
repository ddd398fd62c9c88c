//! Finding a server, and making sure that it keeps what it is given.

use std::sync::{Arc, Mutex};

use redis::{Client, Cmd, Value};
use rustls::crypto::{CryptoProvider, ring};
use tokio::task::JoinSet;

use super::{
    RedisStore,
    failure::Failing,
    link::{Call, Link},
    requests::{REMEMBERED, Requests, keep_remembered},
    rows::{Read, list, pairs, text},
    scripts,
    signal::Signal,
};
use crate::{
    backend::{
        partitions,
        url::{StoreUrl, hint},
    },
    clock::Clock,
    error::{Error, Result},
};

/// The schema version that this binary knows.
const VERSION: u32 = 1;

/// The oldest server that has all that the scripts use.
const SERVER_MIN: u32 = 7;

/// The prefix of a URL that names none.
const PREFIX_DEFAULT: &str = "kairo";

/// The most characters of a prefix.
const PREFIX_MAX: usize = 64;

/// The settings of a server that keeps what it has acknowledged.
const DURABLE: [(&str, &str); 3] =
    [("appendonly", "yes"), ("appendfsync", "always"), ("maxmemory-policy", "noeviction")];

/// Opens the store at a URL.
pub(super) async fn open(url: &StoreUrl, clock: &Clock) -> Result<RedisStore> {
    let place = Place::parse(url)?;
    let failing = Failing::new(&place.shown);
    let link = Arc::new(Link::new(place.client.clone(), failing.clone()));
    link.connect().await.map_err(|error| failing.of("connecting to", error))?;
    check_server(&link).await?;
    if place.relaxed {
        tracing::warn!(store = %place.shown, "the store may lose what it has acknowledged");
    } else {
        check_durability(&link).await?;
    }
    let home = format!("{{{}}}:", place.prefix);
    let requests = Requests::new(clock.new_id());
    let meta = format!("{home}meta");
    let (store, partitions) =
        begin(&link, &meta, &requests.client, place.partitions, clock).await?;
    let channel = format!("{home}commits");
    // Whoever may not do it learns it now; nobody knows this client yet.
    let mut publish = redis::cmd("PUBLISH");
    publish.arg(&channel).arg(&requests.client);
    link.ask("opening", &publish).await?;
    let mut tasks = JoinSet::new();
    let signal = Signal::start(&mut tasks, &link, place.client, channel, requests.client.clone());
    tasks.spawn(keep_remembered(Arc::clone(&link), format!("{home}client:{}", requests.client)));
    let tasks = Mutex::new(tasks);
    let (clock, is_relaxed) = (clock.clone(), place.relaxed);
    Ok(RedisStore {
        link,
        requests,
        signal,
        tasks,
        clock,
        home,
        meta,
        store,
        partitions,
        is_relaxed,
    })
}

/// What a URL says.
struct Place {
    client: Client,
    prefix: String,
    relaxed: bool,
    /// How many partitions the store must have been made with, or is.
    partitions: Option<u32>,
    /// The URL without secrets.
    shown: String,
}

impl Place {
    fn parse(url: &StoreUrl) -> Result<Self> {
        let [prefix, durability, count] = url.options(["prefix", "durability", "partitions"])?;
        let prefix = prefix.unwrap_or(PREFIX_DEFAULT);
        check_prefix(url, prefix)?;
        let relaxed = is_relaxed(url, durability)?;
        let partitions = count.map(|count| partitions::parse(url, count)).transpose()?;
        if url.scheme() == "rediss" && CryptoProvider::get_default().is_none() {
            // It fails where another thread was quicker, and then there is one.
            let _ = ring::default_provider().install_default();
        }
        let client = Client::open(format!("{}://{}", url.scheme(), url.place())).map_err(|_| {
            url.invalid(
                "write a server as `redis://user:password@localhost:6379/0`, or `rediss:` for TLS",
            )
        })?;
        let host = url
            .place()
            .rsplit_once('@')
            .map_or_else(|| url.place().to_owned(), |(_, host)| format!("…@{host}"));
        let mut shown = format!("{}://{host}?prefix={prefix}", url.scheme());
        if relaxed {
            shown.push_str("&durability=relaxed");
        }
        Ok(Self { client, prefix: prefix.to_owned(), relaxed, partitions, shown })
    }
}

/// Braces would end the part of the keys that chooses a cluster's slot.
fn check_prefix(url: &StoreUrl, prefix: &str) -> Result {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    if !prefix.is_empty() && prefix.len() <= PREFIX_MAX && prefix.chars().all(fits) {
        return Ok(());
    }
    Err(url.invalid(format!(
        "`prefix` cannot be `{prefix}`; use 1 to {PREFIX_MAX} of a-z, A-Z, 0-9, `-`, `_`, `.` and `:`"
    )))
}

fn is_relaxed(url: &StoreUrl, durability: Option<&str>) -> Result<bool> {
    match durability {
        None | Some("full") => Ok(false),
        Some("relaxed") => Ok(true),
        Some(other) => {
            let hint = hint(other, &["full", "relaxed"]);
            Err(url.invalid(format!(
                "`durability` cannot be `{other}`{hint}; use `full` or `relaxed`"
            )))
        }
    }
}

/// Refuses a server that is too old, or that is not the one to write to.
async fn check_server(link: &Link) -> Result {
    const OPENING: &str = "opening";
    let hello = link.ask(OPENING, &redis::cmd("HELLO")).await?;
    let about = facts(hello).map_err(|malformed| link.failing.of(OPENING, malformed))?;
    let fact =
        |name| about.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let version = fact("version").unwrap_or_default();
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major < SERVER_MIN) {
        let reason =
            format!("the server has version `{version}`; {SERVER_MIN}.0 or newer is needed");
        return Err(link.failing.of(OPENING, reason));
    }
    match fact("role") {
        Some("master") => Ok(()),
        role => {
            let role = role.unwrap_or_default();
            Err(link.failing.of(OPENING, format!("the server is a `{role}`; name its master")))
        }
    }
}

/// Refuses a server that could lose what it has acknowledged.
async fn check_durability(link: &Link) -> Result {
    const CHECKING: &str = "checking the durability of";
    const WAY_OUT: &str = "or write `durability=relaxed` in the URL, and accept that \
                           acknowledged events can be lost";
    let mut get = redis::cmd("CONFIG");
    get.arg("GET");
    for (setting, _) in DURABLE {
        get.arg(setting);
    }
    let settings = link.ask(CHECKING, &get).await.map_err(|error| match error {
        Error::Store { source, .. } => {
            let reason = format!("{source}; allow the user `CONFIG GET`, {WAY_OUT}");
            link.failing.of(CHECKING, reason)
        }
        other => other,
    })?;
    let settings = facts(settings).map_err(|malformed| link.failing.of(CHECKING, malformed))?;
    let wrong: Vec<_> = DURABLE
        .iter()
        .filter(|(setting, wanted)| {
            !settings.iter().any(|(name, is)| name == setting && is == wanted)
        })
        .map(|(setting, wanted)| {
            let is = settings.iter().find(|(name, _)| name == setting);
            let is = is.map(|(_, value)| value.as_str()).unwrap_or_default();
            format!("`{setting}` is `{is}` and must be `{wanted}`")
        })
        .collect();
    if wrong.is_empty() {
        return Ok(());
    }
    Err(link.failing.of(CHECKING, format!("{}; set it so, {WAY_OUT}", wrong.join(", "))))
}

/// Makes the store if it is new; its identity, and how many partitions its subscriptions get.
async fn begin(
    link: &Link,
    meta: &str,
    client: &str,
    wanted: Option<u32>,
    clock: &Clock,
) -> Result<(String, u32)> {
    const OPENING: &str = "opening";
    let (store, created) = (clock.new_id().simple().to_string(), clock.now().as_microsecond());
    let arguments = |command: &mut Cmd, _| {
        command.arg(VERSION).arg(&store).arg(created).arg(client).arg(REMEMBERED);
        command.arg(wanted.unwrap_or(partitions::DEFAULT));
    };
    let opened = link.ask(OPENING, &Call { script: &scripts::OPEN, key: meta, arguments }).await?;
    let words: Read<Vec<String>> =
        list(opened).and_then(|words| words.into_iter().map(text).collect());
    let words = words.map_err(|malformed| link.failing.of(OPENING, malformed))?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["opened", store, count] => {
            let count = count.parse().unwrap_or_default();
            let checked = partitions::checked(count, wanted);
            checked.map_err(|reason| link.failing.foreign(reason))?;
            Ok((store.to_owned(), count))
        }
        ["foreign", key, kind] => {
            Err(link.failing.foreign(format!("its key `{key}` is a {kind} of something else")))
        }
        ["refused", commands, why] => Err(link
            .failing
            .of(OPENING, format!("the server refuses {commands} to the user: {why}"))),
        ["schema", found] => match found.parse() {
            Ok(found) => {
                let store = link.failing.url().to_owned();
                Err(Error::NewerSchema { store, found, known: VERSION })
            }
            Err(_) => Err(link.failing.foreign(format!("its schema version is `{found}`"))),
        },
        _ => Err(link.failing.of(OPENING, "the answer is not one of the script's")),
    }
}

/// Names and values in turns; values that are no text count as empty.
fn facts(found: Value) -> Read<Vec<(String, String)>> {
    let facts = pairs(found)?.into_iter();
    Ok(facts.map(|(name, value)| (name, text(value).unwrap_or_default())).collect())
}
