//! The laws of subscriptions.

use super::case::{Case, assert_same};
use crate::{
    delivery::{Checkpoint, DeadLetter, Parked, ParkedState, Progress, Steer, SubscriptionRow},
    error::{Error, Result},
    handler::entry::StartAt,
    store::{Append, Position, Unit, Version},
};

/// The checkpoint, the parked events in log order, and the letters that matter.
pub async fn a_claim_starts_where_the_last_one_stopped(case: Case) -> Result {
    let claimed = case.claim("mail").await?;
    assert_eq!(claimed.checkpoint, Checkpoint::default());
    let finished = [5, 6, 9, 200, 1_000_000].map(Position::at_sequence).to_vec();
    let checkpoint = Checkpoint { finished, ..Checkpoint::at(Position::at_sequence(3)) };
    let parked = parked_in_every_state(&case);
    let letter = DeadLetter { holds_key: true, ..case.letter("mail", 1) };
    case.advance(Progress {
        checkpoint: checkpoint.clone(),
        park: parked.iter().rev().cloned().collect(),
        bury: vec![letter.clone()],
        ..case.progress("mail", claimed.epoch, Position::START)
    })
    .await?;
    let again = case.claim("mail").await?;
    assert!(claimed.epoch < again.epoch);
    assert_eq!(claimed.generation, again.generation);
    assert_eq!((again.checkpoint, again.parked), (checkpoint, parked));
    assert_same(&again.letters, &vec![letter]);
    Ok(())
}

fn parked_in_every_state(case: &Case) -> Vec<Parked> {
    let states = [
        case.parked(Position::START).state,
        ParkedState::Behind,
        ParkedState::Newer,
        ParkedState::Alone { crashes: 4 },
    ];
    let parked = (2..).zip(states).map(|(sequence, state)| {
        let failures = if sequence == 2 { vec![case.failure(1)] } else { Vec::new() };
        Parked { state, failures, ..case.parked(Position::at_sequence(sequence)) }
    });
    parked.collect()
}

/// Behind the log's last event, or at its first.
pub async fn a_new_subscription_starts_where_it_asks(case: Case) -> Result {
    let before = case.append_at("one", Version::Any).await?;
    let now = case.claim_from("now", StartAt::Now).await?;
    let beginning = case.claim_from("beginning", StartAt::Beginning).await?;
    let after = case.append_at("one", Version::Any).await?;
    assert!(before.position <= now.checkpoint.low_water);
    assert!(now.checkpoint.low_water < after.position);
    assert_eq!(beginning.checkpoint.low_water, Position::START);
    assert!(!now.unclean && now.parked.is_empty() && now.letters.is_empty());

    let again = case.claim_from("now", StartAt::Beginning).await?;
    assert_eq!(again.checkpoint, now.checkpoint, "only a new one has a choice");
    Ok(())
}

/// Its progress fails, and nothing of its unit takes effect.
pub async fn an_old_claim_is_fenced(case: Case) -> Result {
    let old = case.claim("mail").await?;
    let new = case.claim("mail").await?;
    let progress = Progress {
        park: vec![case.parked(Position::at_sequence(1))],
        bury: vec![case.letter("mail", 1)],
        ..case.progress("mail", old.epoch, Position::at_sequence(9))
    };
    let letter = progress.bury[0].id;
    let appends = vec![Append::one(case.event("one"))];
    let unit = Unit { appends, ..Unit::of_progress(progress) };
    let error = case.store.commit(unit).await.expect_err("the claim is lost");
    assert!(
        matches!(&error, Error::Fenced { subscription } if *subscription == case.subscription("mail"))
    );
    assert_eq!(case.version_of("one").await?, 0);
    assert!(case.store.letter(letter).await?.is_none());

    case.advance(case.progress("mail", new.epoch, Position::at_sequence(2))).await?;
    let third = case.claim("mail").await?;
    assert_eq!(third.checkpoint.low_water, Position::at_sequence(2));
    assert!(third.parked.is_empty());
    let unknown = case.progress("nobody", new.epoch, Position::START);
    assert!(matches!(case.advance(unknown).await, Err(Error::Fenced { .. })));
    Ok(())
}

/// The next claim says so.
pub async fn an_unreleased_claim_is_unclean(case: Case) -> Result {
    let first = case.claim("mail").await?;
    assert!(!first.unclean);
    let second = case.claim("mail").await?;
    assert!(second.unclean);
    case.store.release(vec![(case.subscription("mail"), second.epoch)]).await?;
    assert!(!case.claim("mail").await?.unclean);
    Ok(())
}

/// And leaves the new owner's claim as it is.
pub async fn a_late_release_is_no_error(case: Case) -> Result {
    let old = case.claim("mail").await?;
    let new = case.claim("mail").await?;
    let late = vec![(case.subscription("mail"), old.epoch), (case.subscription("nobody"), 1)];
    case.store.release(late).await?;
    case.advance(case.progress("mail", new.epoch, Position::at_sequence(1))).await?;
    assert!(case.claim("mail").await?.unclean);
    Ok(())
}

/// One that is asked for twice is a mistake of the caller.
pub async fn many_are_claimed_in_the_order_of_the_requests(case: Case) -> Result {
    case.append_at("one", Version::Any).await?;
    let claim = |name, start| case.request(name, start);
    let claims = vec![claim("z", StartAt::Beginning), claim("a", StartAt::Now)];
    let claimed = case.claim_all(claims).await?;
    let waters: Vec<_> = claimed.iter().map(|claimed| claimed.checkpoint.low_water).collect();
    assert_eq!((waters.len(), waters[0]), (2, Position::START));
    assert!(Position::START < waters[1]);
    assert!(claimed.iter().all(|claimed| !claimed.unclean));
    case.advance(case.progress("z", claimed[0].epoch, Position::START)).await?;
    case.advance(case.progress("a", claimed[1].epoch, waters[1])).await?;
    let twice = vec![claim("z", StartAt::Now), claim("z", StartAt::Now)];
    assert!(matches!(case.claim_all(twice).await, Err(Error::Misuse(_))));
    assert!(case.claim_all(Vec::new()).await?.is_empty());
    Ok(())
}

/// Its checkpoint, parked events and letters; the owner under the old name is fenced.
pub async fn a_renamed_subscription_keeps_its_place(case: Case) -> Result {
    let letter = DeadLetter { holds_key: true, ..case.letter("old", 1) };
    let claimed = case.bury("old", vec![letter.clone()]).await?;
    let parked = case.parked(Position::at_sequence(2));
    let progress = case.progress("old", claimed.epoch, Position::at_sequence(5));
    case.advance(Progress { park: vec![parked.clone()], ..progress.clone() }).await?;

    let renamed = case.rename("old", "new").await?;
    assert!(claimed.epoch < renamed.epoch);
    assert_eq!(renamed.generation, claimed.generation);
    assert!(renamed.unclean);
    assert_eq!(renamed.checkpoint.low_water, Position::at_sequence(5));
    assert_eq!(renamed.parked, vec![parked]);
    let subscription = case.subscription("new");
    assert_same(&renamed.letters, &vec![DeadLetter { subscription, ..letter }]);
    assert!(matches!(case.advance(progress).await, Err(Error::Fenced { .. })));
    assert!(row(&case, "old").await?.is_none());
    Ok(())
}

/// Over progress without one, claims, moves and renames; a removed subscription has none.
pub async fn the_last_failure_is_kept(case: Case) -> Result {
    let claimed = case.claim("old").await?;
    let failed = async |name| {
        let row = row(&case, name).await?.expect("the subscription is there");
        Ok::<_, Error>(row.failure.map(|failure| failure.attempt))
    };
    assert_eq!(failed("old").await?, None);
    let progress = case.progress("old", claimed.epoch, Position::START);
    for attempt in [3, 1] {
        let failure = Some(case.failure(attempt));
        case.advance(Progress { failure: failure.clone(), ..progress.clone() }).await?;
        assert_eq!(row(&case, "old").await?.and_then(|row| row.failure), failure);
    }
    let park = vec![case.parked(Position::at_sequence(2))];
    case.advance(Progress { park, ..progress.clone() }).await?;
    let steer = Steer::Move { to: Position::START };
    case.store.steer(case.subscription("old"), steer).await?;
    let lost = Progress { failure: Some(case.failure(9)), ..progress };
    assert!(matches!(case.advance(lost).await, Err(Error::Fenced { .. })));
    assert_eq!(failed("old").await?, Some(1));
    case.rename("old", "new").await?;
    assert_eq!(failed("new").await?, Some(1));
    case.store.remove_subscription(case.subscription("new")).await?;
    case.claim("new").await?;
    assert_eq!(failed("new").await?, None);
    Ok(())
}

/// Both stay what they are; a missing old name makes a new subscription.
pub async fn a_name_that_is_there_is_not_overwritten_by_a_renamed_one(case: Case) -> Result {
    let old = case.claim("old").await?;
    case.advance(case.progress("old", old.epoch, Position::at_sequence(5))).await?;
    case.claim("new").await?;
    assert_eq!(case.rename("old", "new").await?.checkpoint, Checkpoint::default());
    assert_eq!(row(&case, "old").await?.map(|row| row.low_water), Some(Position::at_sequence(5)));
    assert_eq!(case.rename("nobody", "third").await?.checkpoint, Checkpoint::default());
    Ok(())
}

/// The rows are counted while they are there.
pub async fn removing_a_subscription_removes_its_rows_and_letters_stay(case: Case) -> Result {
    let letter = case.letter("mail", 1);
    let claimed = case.bury("mail", vec![letter.clone()]).await?;
    let progress = case.progress("mail", claimed.epoch, Position::at_sequence(5));
    let park = vec![case.parked(Position::at_sequence(2)), case.parked(Position::at_sequence(3))];
    case.advance(Progress { park, ..progress }).await?;
    let found = row(&case, "mail").await?.expect("the subscription is there");
    assert_eq!((found.parked, found.letters), (2, 1));
    assert_eq!((found.low_water, found.generation), (Position::at_sequence(5), claimed.generation));

    assert!(case.store.remove_subscription(case.subscription("mail")).await?);
    assert!(!case.store.remove_subscription(case.subscription("mail")).await?);
    assert!(row(&case, "mail").await?.is_none());
    assert_same(&case.the_letter(letter.id).await?, &letter);
    let new = case.claim("mail").await?;
    assert_eq!((new.checkpoint, new.parked), (Checkpoint::default(), Vec::new()));
    assert!(!new.unclean);
    Ok(())
}

async fn row(case: &Case, name: &str) -> Result<Option<SubscriptionRow>> {
    let rows = case.store.subscriptions().await?;
    assert!(rows.is_sorted_by(|a, b| a.subscription < b.subscription), "listed by name");
    let names = case.store.subscription_names().await?;
    assert!(names.is_sorted(), "their names are listed by name, too");
    let name = case.subscription(name);
    let row = rows.into_iter().find(|row| row.subscription == name);
    assert_eq!(names.contains(&name), row.is_some());
    Ok(row)
}

/// Even when the name is claimed again.
pub async fn a_removed_subscription_fences_its_last_owner(case: Case) -> Result {
    let old = case.claim("mail").await?;
    case.store.remove_subscription(case.subscription("mail")).await?;
    let progress = case.progress("mail", old.epoch, Position::at_sequence(1));
    assert!(matches!(case.advance(progress.clone()).await, Err(Error::Fenced { .. })));
    let new = case.claim("mail").await?;
    assert!(old.epoch < new.epoch);
    assert!(matches!(case.advance(progress).await, Err(Error::Fenced { .. })));
    Ok(())
}

/// And goes away by it; a position without a row is no error.
pub async fn a_parked_event_is_replaced_by_its_position(case: Case) -> Result {
    let claimed = case.claim("mail").await?;
    let progress = case.progress("mail", claimed.epoch, Position::START);
    let [two, three] = [2, 3].map(|sequence| case.parked(Position::at_sequence(sequence)));
    case.advance(Progress { park: vec![two.clone(), three], ..progress.clone() }).await?;
    let state = ParkedState::Alone { crashes: 1 };
    let two = Parked { state, attempts: 3, failures: Vec::new(), ..two };
    let unpark = vec![Position::at_sequence(3), Position::at_sequence(4)];
    case.advance(Progress { park: vec![two.clone()], unpark, ..progress }).await?;
    assert_eq!(case.claim("mail").await?.parked, vec![two]);
    Ok(())
}

/// A conflict undoes the progress; a success brings both, for several subscriptions.
pub async fn progress_and_its_events_take_effect_together(case: Case) -> Result {
    let (left, right) = (case.claim("left").await?, case.claim("right").await?);
    case.append_at("taken", Version::NoStream).await?;
    let progress = vec![
        case.progress("left", left.epoch, Position::at_sequence(7)),
        case.progress("right", right.epoch, Position::at_sequence(8)),
    ];
    let refused = Append { expected: Version::NoStream, ..Append::one(case.event("taken")) };
    let unit = Unit { progress, appends: vec![refused], ..Unit::default() };
    assert!(matches!(case.store.commit(unit.clone()).await, Err(Error::Conflict { .. })));
    assert_eq!(row(&case, "left").await?.map(|row| row.low_water), Some(Position::START));

    let appends = vec![Append::one(case.event("taken"))];
    assert_eq!(case.store.commit(Unit { appends, ..unit }).await?.placed[0].version, 2);
    assert_eq!(case.claim("left").await?.checkpoint.low_water, Position::at_sequence(7));
    assert_eq!(case.claim("right").await?.checkpoint.low_water, Position::at_sequence(8));
    Ok(())
}
