//! Names, patterns, positions and letters against arbitrary input.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use kairo::{
    EventName, Position, StreamName,
    event::{
        name::EVENT_NAME_MAX,
        pattern::{check_pattern, matches},
        record::EventData,
    },
};
use proptest::prelude::*;

/// What `*` and `**` mean, said as plainly as possible.
fn matches_plainly(pattern: &[&str], name: &[&str]) -> bool {
    match (pattern, name) {
        (["**"], _) | ([], []) => true,
        (["*", rest @ ..], [_, name @ ..]) => matches_plainly(rest, name),
        ([segment, rest @ ..], [same, name @ ..]) if segment == same => matches_plainly(rest, name),
        _ => false,
    }
}

/// Names over few segments, so that patterns meet them.
fn name() -> impl Strategy<Value = String> {
    prop::collection::vec("a|b|ab", 1..5).prop_map(|segments| segments.join("."))
}

fn pattern() -> impl Strategy<Value = String> {
    let segments = prop::collection::vec(r"a|b|ab|\*", 1..5);
    (segments, any::<bool>()).prop_map(|(mut segments, open)| {
        if open {
            segments.push("**".to_owned());
        }
        segments.join(".")
    })
}

fn event(payload: Vec<u8>, stream: &str, note: String) -> EventData {
    EventData {
        id: uuid::Uuid::from_u128(7),
        derived: false,
        name: EventName::new("a.b").unwrap(),
        schema: 3,
        stream: StreamName::new(stream).unwrap(),
        time: kairo::clock::Timestamp::from_microsecond(1_750_000_000_000_000).unwrap(),
        correlation: uuid::Uuid::from_u128(8),
        causation: Some(uuid::Uuid::from_u128(9)),
        depth: 2,
        metadata: [("note".to_owned(), note)].into(),
        payload: payload.into(),
    }
}

proptest! {
    #[test]
    fn a_pattern_matches_as_its_segments_do(pattern in pattern(), name in name()) {
        check_pattern(&pattern).unwrap();
        let (by_dot, names): (Vec<_>, Vec<_>) =
            (pattern.split('.').collect(), name.split('.').collect());
        prop_assert_eq!(matches(&pattern, &name), matches_plainly(&by_dot, &names));
    }

    #[test]
    fn any_text_is_a_pattern_or_a_clear_error(text in ".{0,12}", name in name()) {
        match check_pattern(&text) {
            Ok(()) => drop(matches(&text, &name).then_some(())),
            Err(error) => prop_assert!(error.to_string().contains(&text)),
        }
    }

    #[test]
    fn any_text_is_a_name_or_a_clear_error(text in r"[a-zA-Z0-9._\-* ]{0,12}|.{0,9}|a{190,210}") {
        match EventName::new(&text) {
            Ok(name) => {
                prop_assert_eq!(name.as_str(), &text);
                prop_assert!(text.len() <= EVENT_NAME_MAX && !text.contains(".."));
            }
            // Of a long one, the error shows the beginning.
            Err(error) => {
                let shown: String = text.chars().take(100).collect();
                prop_assert!(error.to_string().contains(&shown));
            }
        }
    }

    #[test]
    fn a_position_is_read_back_and_other_text_is_refused(
        epoch: u32, order: u64, sequence: u64, text in "[0-9-]{0,9}x?",
    ) {
        let position = Position { epoch, order, sequence };
        prop_assert_eq!(position.to_string().parse::<Position>().unwrap(), position);
        if let Ok(parsed) = text.parse::<Position>() {
            prop_assert_eq!(parsed.to_string().parse::<Position>().unwrap(), parsed);
        }
    }

    #[test]
    fn an_event_keeps_its_bytes_inside_json(
        payload: Vec<u8>, json in r#"\{"a": ?[0-9]{1,3}\}"#, stream in "[a-zé -]{1,20}", note: String,
    ) {
        for payload in [payload, json.into_bytes()] {
            let event = event(payload.clone(), &stream, note.clone());
            let text = serde_json::to_string(&event).unwrap();
            let read: EventData = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(&read.payload[..], &payload[..]);
            prop_assert_eq!(read.stream.as_str(), &stream);
            prop_assert_eq!(read.metadata, event.metadata);
        }
    }

    #[test]
    fn arbitrary_json_never_makes_a_letter_panic(text in r#"[\{\}\[\]":,a-z0-9]{0,40}"#) {
        drop(serde_json::from_str::<kairo::DeadLetter>(&text));
    }
}
