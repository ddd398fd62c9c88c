//! The laws of reading the log.

use std::{ops::RangeInclusive, sync::Arc};

use super::{
    case::{Case, assert_same, ids, later},
    log::{Appended, append_each},
};
use crate::{
    clock::Timestamp,
    error::Result,
    event::{
        fact::Fact,
        record::{EventData, Recorded},
    },
    store::{PAGE_BYTES_MAX, PAYLOAD_MAX, Position, Selection, StreamRange, Version},
};

/// Every field, however it is read.
pub async fn an_event_comes_back_as_it_was(case: Case) -> Result {
    let events = vec![case.event("one"), case.full("one", br#"{"a":"\u0000"}"#)];
    let appended = append_each(&case, events).await?;
    let from_stream = case.events_of("one").await?;
    let from_log = case.events_named("happened", 10).await?;
    for (index, (event, placed)) in appended.iter().enumerate() {
        let found = case.store.read_at(&[placed.position]).await?;
        for recorded in [&found[0], &from_stream[index], &from_log[index]] {
            assert_eq!((recorded.position, recorded.version), (placed.position, placed.version));
            assert_same(&recorded.event, event);
        }
    }
    Ok(())
}

/// What somebody else wrote is passed on as it is, for the decoder to judge.
pub async fn bytes_that_are_no_json_come_back(case: Case) -> Result {
    let payloads: [&[u8]; 5] = [b"", b"\0", b"\xff\xfe", b"not json", "\u{1f980}".as_bytes()];
    for payload in payloads {
        case.append(case.full("one", payload)).await?;
    }
    let events = case.events_of("one").await?;
    let found: Vec<&[u8]> = events.iter().map(|recorded| &recorded.event.payload[..]).collect();
    assert_eq!(found, payloads);
    Ok(())
}

/// Whatever their size.
pub async fn pages_cover_the_log_once(case: Case) -> Result {
    let mut expected = Vec::new();
    for round in 0..9 {
        expected.push(case.append_at(&format!("s{}", round % 3), Version::Any).await?.id);
    }
    for limit in [1, 2, 3, 8, 9, 10, 1000] {
        assert_eq!(ids(&case.events_named("happened", limit).await?), expected, "limit {limit}");
    }
    let mut all = Vec::new();
    let mut after = Position::START;
    loop {
        let page = case.store.read_log(after, &Selection::All, 4).await?;
        all.extend(ids(&page.events));
        after = page.end;
        if page.complete {
            break;
        }
    }
    all.retain(|id| expected.contains(id));
    assert_eq!(all, expected);
    Ok(())
}

/// And leaves out nothing of them.
pub async fn a_selection_finds_its_names_only(case: Case) -> Result {
    let mut kept = Vec::new();
    for round in 0..12 {
        let word = ["red", "green", "blue"][round % 3];
        let event = EventData { name: case.name(word), ..case.event("one") };
        let placed = case.append(event).await?;
        kept.extend((word != "green").then_some(placed.id));
    }
    let mut names = vec![case.name("blue"), case.name("nothing"), case.name("red")];
    names.sort();
    let page = case.store.read_log(Position::START, &Selection::Names(names), 1000).await?;
    assert_eq!(ids(&page.events), kept);
    let none = Selection::Names(Vec::new());
    assert!(case.store.read_log(Position::START, &none, 10).await?.events.is_empty());
    Ok(())
}

/// `end` lies behind what was skipped, at the last event of a full page, and never before `after`.
pub async fn a_page_says_how_far_it_searched(case: Case) -> Result {
    let first = case.append_at("one", Version::Any).await?;
    let other = EventData { name: case.name("other"), ..case.event("one") };
    let last = case.append(other).await?;
    let selection = Selection::Names(vec![case.name("happened")]);

    let page = case.store.read_log(Position::START, &selection, 10).await?;
    assert_eq!(ids(&page.events), [first.id]);
    assert!(last.position <= page.end && page.complete, "{page:?}");
    let page = case.store.read_log(page.end, &selection, 10).await?;
    assert!(page.events.is_empty() && last.position <= page.end, "{page:?}");

    let all = case.store.read_log(Position::START, &Selection::All, 1).await?;
    assert_eq!(all.events[0].position, all.end);
    assert!(!all.complete);
    let none = case.store.read_log(first.position, &Selection::All, 0).await?;
    assert_eq!((none.events.len(), none.end), (0, first.position));

    let head = case.store.head().await?;
    assert!(last.position <= head);
    let beyond = Position { epoch: u32::MAX, ..head };
    let page = case.store.read_log(beyond, &Selection::All, 10).await?;
    assert_eq!((page.events.len(), page.end, page.complete), (0, beyond, true));
    Ok(())
}

/// Of some names, of none, and of all, from any place; never more than the limit.
pub async fn a_count_is_what_a_reader_would_read(case: Case) -> Result {
    let mut events = Vec::new();
    for round in 0..12 {
        let name = case.name(["red", "green", "blue"][round % 3]);
        events.push(EventData { name, ..case.event("one") });
    }
    let appended = append_each(&case, events).await?;
    let mut places = vec![Position::START];
    places.extend(appended.iter().map(|(_, placed)| placed.position));
    for words in [&["red"][..], &["blue", "nothing", "red"], &["nothing"], &[]] {
        let mut names: Vec<_> = words.iter().map(|word| case.name(word)).collect();
        names.sort();
        let selection = Selection::Names(names);
        for after in &places {
            let is_read =
                |(event, placed): &&Appended| *after < placed.position && selection.has(event);
            let expected = appended.iter().filter(is_read).count() as u64;
            for limit in [0, 1, 3, 4, 1_000_000, u64::MAX] {
                let count = case.store.count(*after, &selection, limit).await?;
                assert_eq!(count, expected.min(limit), "{selection:?} after {after}");
            }
        }
    }
    assert_eq!(case.store.count(Position::START, &Selection::All, 3).await?, 3);
    for after in places {
        // Others may write meanwhile.
        let before = count_by_reading(&case, after).await?;
        let count = case.store.count(after, &Selection::All, u64::MAX).await?;
        assert!((before..=count_by_reading(&case, after).await?).contains(&count), "{count}");
    }
    let beyond = Position { epoch: u32::MAX, ..case.store.head().await? };
    assert_eq!(case.store.count(beyond, &Selection::All, 10).await?, 0);
    Ok(())
}

async fn count_by_reading(case: &Case, mut after: Position) -> Result<u64> {
    let mut count = 0;
    loop {
        let page = case.store.read_log(after, &Selection::All, 1000).await?;
        count += page.events.len() as u64;
        after = page.end;
        if page.complete {
            return Ok(count);
        }
    }
}

/// From the first time on, and before the second; of some names or of all.
pub async fn a_selection_between_times(case: Case) -> Result {
    let second = |number| later(Timestamp::UNIX_EPOCH, number);
    let mut events = Vec::new();
    for (number, name) in (1..).zip(["red", "blue", "red", "blue", "red"]) {
        let event = case.event("one");
        events.push(EventData { name: case.name(name), time: second(number), ..event });
    }
    let appended = append_each(&case, events).await?;
    let nano = jiff::SignedDuration::from_nanos(1);
    let bounds = [
        (second(0), second(9)),
        (second(2), second(4)),
        (second(2) - nano, second(4) + nano),
        (second(2) + nano, second(4) - nano),
        (second(4), second(2)),
        (Timestamp::MIN, Timestamp::MAX),
    ];
    for (from, until) in bounds {
        for names in [vec![], vec![case.name("blue")], vec![case.name("green"), case.name("red")]] {
            let selection = Selection::Between { names, from, until };
            let expected: Vec<_> = appended
                .iter()
                .filter(|(event, _)| selection.has(event))
                .map(|(event, _)| event.id)
                .collect();
            let found = selected(&case, &selection).await?;
            let ours = |id: &uuid::Uuid| appended.iter().any(|(event, _)| event.id == *id);
            let found: Vec<_> = found.into_iter().filter(ours).collect();
            assert_eq!(found, expected, "{selection:?}");
            if let Selection::Between { names, .. } = &selection
                && !names.is_empty()
            {
                let count = case.store.count(Position::START, &selection, 100).await?;
                assert_eq!(count, expected.len() as u64, "{selection:?}");
            }
        }
    }
    Ok(())
}

/// The ids of all selected events, read in small pages.
async fn selected(case: &Case, selection: &Selection) -> Result<Vec<uuid::Uuid>> {
    let (mut found, mut after) = (Vec::new(), Position::START);
    loop {
        let page = case.store.read_log(after, selection, 2).await?;
        found.extend(ids(&page.events));
        if page.complete {
            return Ok(found);
        }
        assert!(after < page.end, "a page that is not complete ends where it began");
        after = page.end;
    }
}

/// In log order; unknown ones are left out.
pub async fn events_are_found_by_their_positions(case: Case) -> Result {
    let first = case.append_at("one", Version::Any).await?;
    let second = case.append_at("two", Version::Any).await?;
    let unknown = Position { epoch: u32::MAX, order: 1, sequence: 1 };
    let wanted = [second.position, unknown, first.position, Position::START, first.position];
    let found = case.store.read_at(&wanted).await?;
    assert_eq!(ids(&found), [first.id, second.id]);
    assert!(case.store.read_at(&[]).await?.is_empty());
    Ok(())
}

/// Ascending, at most as many as asked for.
pub async fn a_stream_is_read_from_a_version(case: Case) -> Result {
    async fn check(case: &Case, from: u64, limit: usize, expected: &[u64]) -> Result {
        let events =
            case.store.read_stream(&case.stream("one"), StreamRange::from(from), limit).await?;
        let versions: Vec<_> = events.iter().map(|recorded| recorded.version).collect();
        assert_eq!(versions, expected, "from {from}, limit {limit}");
        Ok(())
    }
    for _ in 0..4 {
        case.append_at("one", Version::Any).await?;
        case.append_at("two", Version::Any).await?;
    }
    check(&case, 0, 10, &[1, 2, 3, 4]).await?;
    check(&case, 1, 10, &[1, 2, 3, 4]).await?;
    check(&case, 3, 10, &[3, 4]).await?;
    check(&case, 2, 2, &[2, 3]).await?;
    check(&case, 5, 10, &[]).await?;
    check(&case, 1, 0, &[]).await?;
    check(&case, u64::MAX, 10, &[]).await?;
    assert!(case.events_of("nobody").await?.is_empty());
    Ok(())
}

/// Whichever stretch is asked for, in pages of whatever size, also where payloads are large.
pub async fn facts_are_what_the_stream_has(case: Case) -> Result {
    let large = vec![b'x'; PAYLOAD_MAX];
    let payloads: [&[u8]; 9] =
        [b"{}", b"\xff\x00", &large, b"", b"{}", &large, &large, &large, &large];
    for (name, payload) in ["happened", "happened", "else"].into_iter().cycle().zip(payloads) {
        let name = case.name(name);
        case.append(EventData { name, ..case.full("one", payload) }).await?;
        case.append_at("two", Version::Any).await?;
    }
    let events = whole_stream(&case, "one").await?;
    assert_eq!(events.len(), payloads.len());
    for versions in [0..=u64::MAX, 2..=4, 9..=10, 10..=12] {
        for limit in [1, 3, 1_000, usize::MAX >> 1] {
            check_facts(&case, &events, versions.clone(), limit).await?;
        }
    }
    let none = case.store.read_facts(&case.stream("nobody"), 1..=u64::MAX, 10).await?;
    assert!(none.is_empty() && none.is_last());
    assert!(case.store.read_facts(&case.stream("one"), 1..=9, 0).await?.is_empty());
    Ok(())
}

/// All events of a stream, whose payloads need not fit in a page.
async fn whole_stream(case: &Case, stream: &str) -> Result<Vec<Arc<Recorded>>> {
    let (mut events, mut rest) = (Vec::new(), StreamRange::ALL);
    loop {
        let page = case.store.read_stream(&case.stream(stream), rest, 100).await?;
        let Some(last) = page.last() else { return Ok(events) };
        rest = rest.behind(last.version);
        events.extend(page);
    }
}

async fn check_facts(
    case: &Case,
    events: &[Arc<Recorded>],
    versions: RangeInclusive<u64>,
    limit: usize,
) -> Result {
    let wanted = events.iter().filter(|event| versions.contains(&event.version));
    let mut wanted: Vec<_> = wanted.map(|event| Fact::of(event)).collect();
    let (mut from, to) = (*versions.start(), *versions.end());
    loop {
        let page = case.store.read_facts(&case.stream("one"), from..=to, limit).await?;
        assert!(page.len() <= limit, "a page holds {} of {limit}", page.len());
        let last = page.each().last().map_or(0, |last| last.payload.len());
        assert!(page.bytes() - last < PAGE_BYTES_MAX, "{} bytes in a page", page.bytes());
        let here = page.len().min(wanted.len());
        let expected = wanted.drain(..here);
        assert!(page.each().eq(expected), "{versions:?} from {from}, limit {limit}");
        match page.last_version() {
            Some(version) if !page.is_last() => from = version + 1,
            _ => break,
        }
    }
    assert!(wanted.is_empty(), "{versions:?} from {from}, limit {limit}");
    Ok(())
}
