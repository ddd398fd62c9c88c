//! The laws of marks: what has been handled with all its effects is not handled again.

use super::case::{Case, later};
use crate::{
    delivery::{LetterChange, Mark, MarkKey},
    error::{Error, Result},
    store::{Append, Position, Unit, Version},
};

/// A unit of a mark and an event.
fn of_mark(case: &Case, mark: &Mark) -> Unit {
    let appends = vec![Append::one(case.event("one"))];
    Unit { marks: vec![mark.clone()], ..Unit::of_appends(appends) }
}

async fn set(case: &Case, mark: &Mark) -> Result {
    case.store.commit(Unit { marks: vec![mark.clone()], ..Unit::default() }).await.map(drop)
}

fn is_handled<T>(result: &Result<T>, mark: &Mark) -> bool {
    matches!(result, Err(Error::AlreadyHandled { subscription })
        if *subscription == mark.key.subscription)
}

/// In its subscription and generation, and nothing of the second unit takes effect.
pub async fn an_event_is_marked_once(case: Case) -> Result {
    let first = case.mark("mail");
    assert!(!case.store.is_marked(&first.key).await?);
    case.store.commit(of_mark(&case, &first)).await?;
    assert!(case.store.is_marked(&first.key).await?);
    assert!(is_handled(&case.store.commit(of_mark(&case, &first)).await, &first));
    let twice = Unit { marks: vec![case.mark("mail"); 2], ..Unit::default() };
    assert!(is_handled(&case.store.commit(twice).await, &first));
    assert_eq!(case.version_of("one").await?, 1);
    for key in [
        MarkKey { generation: 2, ..first.key.clone() },
        MarkKey { subscription: case.subscription("push"), ..first.key.clone() },
        MarkKey { event: case.new_id(), ..first.key.clone() },
    ] {
        assert!(!case.store.is_marked(&key).await?);
        set(&case, &Mark { key: key.clone(), ..first.clone() }).await?;
        assert!(case.store.is_marked(&key).await?);
    }
    Ok(())
}

/// Whether the mark or its effects are in the way.
pub async fn a_mark_and_its_effects_take_effect_together(case: Case) -> Result {
    let (one, two) = (case.mark("mail"), case.mark("mail"));
    let refused = Append { expected: Version::At(9), ..Append::one(case.event("one")) };
    let unit = Unit { appends: vec![refused], ..of_mark(&case, &one) };
    let conflict = case.store.commit(unit).await;
    assert!(matches!(conflict, Err(Error::Conflict { .. })), "{conflict:?}");
    assert!(!case.store.is_marked(&one.key).await?);
    set(&case, &two).await?;
    let unit = Unit { marks: vec![one.clone(), two.clone()], ..of_mark(&case, &one) };
    assert!(is_handled(&case.store.commit(unit).await, &two));
    assert!(!case.store.is_marked(&one.key).await?);
    case.store.commit(of_mark(&case, &one)).await?;
    assert_eq!((case.store.is_marked(&one.key).await?, case.version_of("one").await?), (true, 1));
    Ok(())
}

/// And changes nothing.
pub async fn a_mark_of_an_old_claim_is_fenced(case: Case) -> Result {
    let (old, new) = (case.claim("mail").await?, case.claim("mail").await?);
    let late = Mark { epoch: Some(old.epoch), ..case.mark("mail") };
    let fenced = case.store.commit(of_mark(&case, &late)).await;
    let Err(Error::Fenced { subscription }) = &fenced else { panic!("{fenced:?}") };
    assert_eq!(*subscription, case.subscription("mail"));
    assert!(!case.store.is_marked(&late.key).await?);
    assert_eq!(case.version_of("one").await?, 0);
    case.store.commit(of_mark(&case, &Mark { epoch: Some(new.epoch), ..late.clone() })).await?;
    assert!(case.store.is_marked(&late.key).await?);
    Ok(())
}

/// As when a letter is handled again: the claim comes first, then the mark, then the letter.
pub async fn a_mark_and_a_letter_change_together(case: Case) -> Result {
    let letter = case.letter("mail", 1);
    let old = case.bury("mail", vec![letter.clone()]).await?;
    let claimed = case.claim("mail").await?;
    let marked = |epoch| Mark { epoch: Some(epoch), ..case.mark("mail") };
    let unit = |mark: &Mark, id| Unit {
        letters: vec![LetterChange::Remove { id }],
        ..of_mark(&case, mark)
    };
    let (mark, missing) = (marked(claimed.epoch), case.new_id());
    let late = case.store.commit(unit(&marked(old.epoch), missing)).await;
    assert!(matches!(late, Err(Error::Fenced { .. })), "{late:?}");
    let nothing = case.store.commit(unit(&mark, missing)).await;
    assert!(matches!(nothing, Err(Error::NotFound { .. })), "{nothing:?}");
    assert!(!case.store.is_marked(&mark.key).await?);
    case.store.commit(unit(&mark, letter.id)).await?;
    assert!(
        case.store.is_marked(&mark.key).await? && case.store.letter(letter.id).await?.is_none()
    );
    assert!(is_handled(&case.store.commit(unit(&mark, missing)).await, &mark));
    assert_eq!(case.version_of("one").await?, 1);
    Ok(())
}

/// What a subscription may still read again stays marked, and so does what is young.
pub async fn old_marks_are_pruned_below_the_low_water(case: Case) -> Result {
    let claimed = case.claim("mail").await?;
    case.advance(case.progress("mail", claimed.epoch, Position::at_sequence(4))).await?;
    let now = case.now();
    let mut marks = Vec::new();
    for (sequence, seconds) in [(1, 1), (4, 2), (5, 1), (2, 9), (3, 3)] {
        let position = Position::at_sequence(sequence);
        let mark = Mark { position, time: later(now, seconds), ..case.mark("mail") };
        set(&case, &mark).await?;
        marks.push(mark);
    }
    let gone = Mark { position: Position::at_sequence(9), time: now, ..case.mark("gone") };
    set(&case, &gone).await?;
    assert_eq!(case.store.prune_marks(now, 9).await?, 0);
    let before = later(now, 5);
    assert_eq!(case.store.prune_marks(before, 3).await?, 3);
    assert_eq!(case.store.prune_marks(before, 9).await?, 1);
    assert_eq!(case.store.prune_marks(before, 9).await?, 0);
    let mut left = Vec::new();
    for (index, mark) in marks.iter().enumerate() {
        if case.store.is_marked(&mark.key).await? {
            left.push(index);
        }
    }
    assert_eq!((left, case.store.is_marked(&gone.key).await?), (vec![2, 3], false));
    Ok(())
}

/// And go with one that is removed.
pub async fn marks_follow_a_renamed_subscription(case: Case) -> Result {
    case.claim("mail").await?;
    case.claim("push").await?;
    let (mail, push) = (case.mark("mail"), case.mark("push"));
    set(&case, &mail).await?;
    set(&case, &push).await?;
    case.rename("mail", "letters").await?;
    let renamed = MarkKey { subscription: case.subscription("letters"), ..mail.key.clone() };
    assert!(case.store.is_marked(&renamed).await? && !case.store.is_marked(&mail.key).await?);
    assert!(case.store.is_marked(&push.key).await?);
    assert!(case.store.remove_subscription(renamed.subscription.clone()).await?);
    assert!(!case.store.is_marked(&renamed).await? && case.store.is_marked(&push.key).await?);
    Ok(())
}
