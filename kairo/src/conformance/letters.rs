//! The laws of dead letters.

use serde_json::json;
use uuid::Uuid;

use super::case::{Case, assert_same, later};
use crate::{
    clock::Timestamp,
    delivery::{DeadLetter, LetterChange, LetterFilter, LetterState, Reason},
    error::{Error, Result},
    event::record::EventData,
    store::{Append, Unit},
};

/// By the time of death, and then by id.
pub async fn letters_are_listed_oldest_first(case: Case) -> Result {
    let letters = [3, 1, 2, 2, 2, 0].map(|seconds| case.letter("mail", seconds));
    case.bury("mail", letters.to_vec()).await?;
    let mut expected = letters.map(|letter| (letter.last_failed, letter.id));
    expected.sort_unstable();
    assert_eq!(list(&case, LetterFilter::default()).await?, expected.map(|(_, id)| id));
    Ok(())
}

/// The ids of this run's letters of `mail` that pass the filter.
async fn list(case: &Case, filter: LetterFilter) -> Result<Vec<Uuid>> {
    let subscription = filter.subscription.or_else(|| Some(case.subscription("mail")));
    let letters = case.store.letters(LetterFilter { subscription, ..filter }).await?;
    Ok(letters.iter().map(|letter| letter.id).collect())
}

/// By subscription, event, reason, time of death and number.
pub async fn filters_narrow_the_list(case: Case) -> Result {
    let mut letters = [0, 1, 2, 3].map(|seconds| case.letter("mail", seconds));
    letters[1].reason = Reason::Permanent;
    letters[2].original.name = case.name("other");
    let other = case.letter("other", 9);
    case.bury("mail", letters.to_vec()).await?;
    case.bury("other", vec![other.clone()]).await?;
    let [zero, one, two, three] = letters.each_ref().map(|letter| letter.id);
    let all = LetterFilter::default;

    let subscription = Some(case.subscription("other"));
    assert_eq!(list(&case, LetterFilter { subscription, ..all() }).await?, [other.id]);
    let event = Some(case.name("other").to_string());
    assert_eq!(list(&case, LetterFilter { event, ..all() }).await?, [two]);
    let reason = Some(Reason::Permanent);
    assert_eq!(list(&case, LetterFilter { reason, ..all() }).await?, [one]);
    let dead_until = Some(letters[1].last_failed);
    assert_eq!(list(&case, LetterFilter { dead_until, ..all() }).await?, [zero, one]);
    let limit = Some(3);
    assert_eq!(list(&case, LetterFilter { limit, ..all() }).await?, [zero, one, two]);
    let event = Some(case.name("happened").to_string());
    let both = LetterFilter { event, reason: Some(Reason::Exhausted), ..all() };
    assert_eq!(list(&case, both.clone()).await?, [zero, three]);

    // Without a subscription the same filters hold for all of them.
    let found = case.store.letters(LetterFilter { subscription: None, ..both.clone() }).await?;
    assert!(found.iter().all(|letter| both.passes(letter)));
    assert_eq!(found.iter().map(|letter| letter.id).collect::<Vec<_>>(), [zero, three, other.id]);
    Ok(())
}

/// So that a list can be read in pages; without a limit a page has a hundred.
pub async fn the_list_goes_on_behind_a_letter(case: Case) -> Result {
    let count = LetterFilter::LIMIT + 5;
    let letters: Vec<_> = (0..count).zip(0..).map(|(_, n)| case.letter("mail", n / 4)).collect();
    case.bury("mail", letters.clone()).await?;
    let subscription = Some(case.subscription("mail"));
    let first = LetterFilter { subscription, ..LetterFilter::default() };
    let page = case.store.letters(first.clone()).await?;
    assert_eq!(page.len(), LetterFilter::LIMIT);
    let mut found = page;
    while let Some(last) = found.last() {
        let after = Some((last.last_failed, last.id));
        let page =
            case.store.letters(LetterFilter { after, limit: Some(2), ..first.clone() }).await?;
        if page.is_empty() {
            break;
        }
        found.extend(page);
    }
    assert_eq!(found.len(), count);
    assert!(found.is_sorted_by_key(|letter| (letter.last_failed, letter.id)));
    Ok(())
}

/// A list can also be read from its end.
pub async fn the_newest_letters_come_first_on_request(case: Case) -> Result {
    let letters = [1, 2, 2, 0, 3].map(|seconds| case.letter("mail", seconds));
    case.bury("mail", letters.to_vec()).await?;
    let mut expected = letters.map(|letter| (letter.last_failed, letter.id));
    expected.sort_unstable();
    expected.reverse();
    let newest = LetterFilter { newest_first: true, ..LetterFilter::default() };
    assert_eq!(list(&case, newest.clone()).await?, expected.map(|(_, id)| id));
    let rest = LetterFilter { after: Some(expected[1]), limit: Some(2), ..newest };
    assert_eq!(list(&case, rest).await?, [expected[2].1, expected[3].1]);
    Ok(())
}

/// Those that are reprocessed or hold their key, of one subscription or of all.
pub async fn pending_letters_can_be_listed_alone(case: Case) -> Result {
    let mut letters = [0, 1, 2].map(|seconds| case.letter("mail", seconds));
    letters[2].holds_key = true;
    let other = DeadLetter { holds_key: true, ..case.letter("other", 3) };
    let [replayed, _, holding] = letters.each_ref().map(|letter| letter.id);
    case.bury("mail", letters.to_vec()).await?;
    case.bury("other", vec![other.clone()]).await?;
    change(&case, replay(replayed, None, case.now())).await?;
    let pending = LetterFilter { pending: true, ..LetterFilter::default() };
    assert_eq!(list(&case, pending.clone()).await?, [replayed, holding]);
    let all = LetterFilter { event: Some(case.name("happened").to_string()), ..pending };
    let found = case.store.letters(all).await?;
    let found: Vec<_> = found.iter().map(|letter| letter.id).collect();
    assert_eq!(found, [replayed, holding, other.id]);
    Ok(())
}

/// Every field, also of bytes that are no JSON.
pub async fn a_letter_keeps_its_bytes(case: Case) -> Result {
    let reasons = [
        Reason::Permanent,
        Reason::Exhausted,
        Reason::Undecodable,
        Reason::Panic,
        Reason::TimedOut,
        Reason::CrashLoop,
    ];
    for (seconds, reason) in (0..).zip(reasons) {
        let letter = DeadLetter { reason, ..case.letter("mail", seconds) };
        case.bury("mail", vec![letter.clone()]).await?;
        assert_same(&case.the_letter(letter.id).await?, &letter);
    }
    let due = case.now();
    let letter = DeadLetter {
        edited: Some(json!({"a": null})),
        failures: Vec::new(),
        replays: 3,
        holds_key: true,
        state: LetterState::Replaying { due },
        original: EventData { derived: false, causation: None, ..case.event("dead") },
        ..case.letter("mail", 9)
    };
    case.bury("mail", vec![letter.clone()]).await?;
    assert_same(&case.the_letter(letter.id).await?, &letter);
    assert!(case.store.letter(case.new_id()).await?.is_none());
    Ok(())
}

/// A repeated progress leaves what has become of the letter since.
pub async fn a_letter_is_buried_once(case: Case) -> Result {
    let letter = case.letter("mail", 1);
    case.bury("mail", vec![letter.clone(), letter.clone()]).await?;
    change(&case, replay(letter.id, None, case.now())).await?;
    case.bury("mail", vec![letter.clone()]).await?;
    assert_eq!(case.the_letter(letter.id).await?.replays, 1);
    assert_eq!(list(&case, LetterFilter::default()).await?, [letter.id]);
    Ok(())
}

fn replay(id: Uuid, edited: Option<serde_json::Value>, due: Timestamp) -> LetterChange {
    LetterChange::Replay { id, edited, due }
}

async fn change(case: &Case, change: LetterChange) -> Result {
    case.store.commit(Unit { letters: vec![change], ..Unit::default() }).await.map(drop)
}

/// Its row stays the same; the original is never touched.
pub async fn a_letter_is_reprocessed_and_dies_again(case: Case) -> Result {
    let letter = case.letter("mail", 1);
    let id = letter.id;
    case.bury("mail", vec![letter.clone()]).await?;
    let due = later(case.now(), 60);
    change(&case, replay(id, Some(json!({"fixed": true})), due)).await?;
    let replaying = case.the_letter(id).await?;
    assert_eq!(replaying.state, LetterState::Replaying { due });
    assert_eq!((replaying.attempts, replaying.replays), (0, 1));

    let failures = vec![case.failure(1)];
    let due = later(due, 60);
    change(&case, LetterChange::Retry { id, attempts: 1, failures, due }).await?;
    let retried = case.the_letter(id).await?;
    assert_eq!((retried.attempts, retried.state), (1, LetterState::Replaying { due }));

    let (failures, time) = (vec![case.failure(2)], later(Timestamp::UNIX_EPOCH, 500));
    let reason = Reason::Permanent;
    change(&case, LetterChange::Return { id, reason, attempts: 2, failures, time }).await?;
    let dead = case.the_letter(id).await?;
    assert_eq!((dead.state, dead.reason, dead.attempts), (LetterState::Dead, reason, 2));
    assert_eq!((dead.last_failed, dead.first_failed), (time, letter.first_failed));
    assert_eq!(dead.edited, Some(json!({"fixed": true})));
    assert_same(&dead.original, &letter.original);
    assert_eq!(list(&case, LetterFilter::default()).await?, [id]);

    change(&case, LetterChange::Remove { id }).await?;
    assert!(case.store.letter(id).await?.is_none());
    Ok(())
}

/// And no other, oldest first.
pub async fn a_claim_returns_what_is_replayed_or_holds_its_key(case: Case) -> Result {
    let mut letters = [3, 2, 1, 0].map(|seconds| case.letter("mail", seconds));
    letters[1].holds_key = true;
    let [replayed, holding, _, removed] = letters.each_ref().map(|letter| letter.id);
    case.bury("mail", letters.to_vec()).await?;
    change(&case, replay(replayed, None, case.now())).await?;
    change(&case, replay(removed, None, case.now())).await?;
    change(&case, LetterChange::Remove { id: removed }).await?;
    let claimed = case.claim("mail").await?;
    let ids: Vec<_> = claimed.letters.iter().map(|letter| letter.id).collect();
    assert_eq!(ids, [holding, replayed]);
    assert!(case.claim("other").await?.letters.is_empty());
    Ok(())
}

/// And nothing of its unit takes effect.
pub async fn a_change_of_a_missing_letter_is_not_found(case: Case) -> Result {
    let letter = case.letter("mail", 1);
    case.bury("mail", vec![letter.clone()]).await?;
    let missing = case.new_id();
    let letters =
        vec![LetterChange::Remove { id: letter.id }, LetterChange::Remove { id: missing }];
    let appends = vec![Append::one(case.event("one"))];
    let unit = Unit { letters, appends, ..Unit::default() };
    let error = case.store.commit(unit).await.expect_err("there is no such letter");
    assert!(matches!(&error, Error::NotFound { value, .. } if *value == missing.to_string()));
    assert!(case.store.letter(letter.id).await?.is_some());
    assert_eq!(case.version_of("one").await?, 0);
    let twice = vec![LetterChange::Remove { id: letter.id }; 2];
    let unit = Unit { letters: twice, ..Unit::default() };
    assert!(matches!(case.store.commit(unit).await, Err(Error::NotFound { .. })));
    Ok(())
}

/// A dead letter cannot fail again, and one that is reprocessed cannot be so twice.
pub async fn a_change_in_the_wrong_state_is_refused(case: Case) -> Result {
    let letter = case.letter("mail", 1);
    let (id, due) = (letter.id, case.now());
    case.bury("mail", vec![letter]).await?;
    let retry = LetterChange::Retry { id, attempts: 1, failures: Vec::new(), due };
    assert!(matches!(change(&case, retry.clone()).await, Err(Error::WrongState(_))));
    change(&case, replay(id, None, due)).await?;
    let again = change(&case, replay(id, None, due)).await;
    assert!(matches!(again, Err(Error::WrongState(_))));
    change(&case, retry).await?;
    assert_eq!(case.the_letter(id).await?.replays, 1);
    Ok(())
}
