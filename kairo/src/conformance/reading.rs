//! The laws of reading the log.

use super::{
    case::{Case, assert_same, ids},
    log::{Appended, append_each},
};
use crate::{
    error::Result,
    event::record::EventData,
    store::{Position, Selection, StreamRange, Version},
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
