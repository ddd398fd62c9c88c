//! The laws of what operators do to subscriptions, and ask about single events.

use super::case::{Case, assert_same};
use crate::{
    delivery::{Checkpoint, Claimed, DeadLetter, Fate, Parked, ParkedState, Progress, Steer},
    error::{Error, Result},
    store::{Placed, Position, Version},
};

async fn steer(case: &Case, name: &str, steer: Steer) -> Result {
    case.store.steer(case.subscription(name), steer).await
}

async fn append_some(case: &Case, count: usize) -> Result<Vec<Placed>> {
    let mut placed = Vec::new();
    for _ in 0..count {
        placed.push(case.append_at("key", Version::Any).await?);
    }
    Ok(placed)
}

/// Progress that parks an event.
fn parking(case: &Case, claimed: &Claimed, low: &Placed, parked: &Placed) -> Progress {
    let park = vec![case.parked(parked.position)];
    Progress { park, ..case.progress("mail", claimed.epoch, low.position) }
}

async fn check_fenced(case: &Case, old: &Claimed) {
    let progress = case.progress("mail", old.epoch, Position::START);
    let refused = case.advance(progress).await;
    assert!(matches!(refused, Err(Error::Fenced { .. })), "{refused:?}");
}

/// Over claims; it fences nobody.
pub async fn a_pause_lasts_until_resumed(case: Case) -> Result {
    async fn is_paused(case: &Case) -> Result<bool> {
        let rows = case.store.subscriptions().await?;
        let row = rows.into_iter().find(|row| row.subscription == case.subscription("mail"));
        Ok(row.expect("it is there").paused)
    }
    let claimed = case.claim("mail").await?;
    assert!(!claimed.paused && !is_paused(&case).await?);
    for _ in 0..2 {
        steer(&case, "mail", Steer::Pause).await?;
        assert!(is_paused(&case).await?);
    }
    case.advance(case.progress("mail", claimed.epoch, Position::START)).await?;
    assert!(case.claim("mail").await?.paused);
    assert!(case.claim("mail").await?.paused);
    for _ in 0..2 {
        steer(&case, "mail", Steer::Resume).await?;
        assert!(!is_paused(&case).await?);
    }
    assert!(!case.claim("mail").await?.paused);
    Ok(())
}

/// It raises the generation and fences every owner; letters stay. It goes either way.
pub async fn a_move_forgets_what_was_parked(case: Case) -> Result {
    let placed = append_some(&case, 4).await?;
    let claimed = case.claim("mail").await?;
    let letter = DeadLetter { holds_key: true, ..case.letter("mail", 1) };
    case.advance(Progress {
        checkpoint: Checkpoint {
            finished: vec![placed[3].position],
            ..Checkpoint::at(placed[2].position)
        },
        bury: vec![letter.clone()],
        ..parking(&case, &claimed, &placed[2], &placed[1])
    })
    .await?;
    steer(&case, "mail", Steer::Move { to: placed[0].position }).await?;
    check_fenced(&case, &claimed).await;
    let back = case.claim("mail").await?;
    assert_eq!(back.checkpoint, Checkpoint::at(placed[0].position));
    assert!(back.parked.is_empty());
    assert!(claimed.generation < back.generation && claimed.epoch < back.epoch);
    assert_same(&back.letters, &vec![letter]);

    steer(&case, "mail", Steer::Move { to: placed[3].position }).await?;
    check_fenced(&case, &back).await;
    let forth = case.claim("mail").await?;
    assert_eq!(forth.checkpoint, Checkpoint::at(placed[3].position));
    assert!(back.generation < forth.generation);
    Ok(())
}

/// Whether it was parked or is still to come; its owner is fenced.
pub async fn a_skipped_event_is_not_claimed_again(case: Case) -> Result {
    let placed = append_some(&case, 4).await?;
    let claimed = case.claim("mail").await?;
    case.advance(parking(&case, &claimed, &placed[1], &placed[0])).await?;
    for skipped in [&placed[0], &placed[3], &placed[2]] {
        let claimed = case.claim("mail").await?;
        steer(&case, "mail", Steer::Skip { position: skipped.position }).await?;
        check_fenced(&case, &claimed).await;
    }
    let claimed = case.claim("mail").await?;
    assert!(claimed.parked.is_empty());
    let finished = vec![placed[2].position, placed[3].position];
    let expected = Checkpoint { finished, ..Checkpoint::at(placed[1].position) };
    assert_eq!(claimed.checkpoint, expected);
    Ok(())
}

/// And fences nobody.
pub async fn a_skip_of_what_is_handled_is_refused(case: Case) -> Result {
    let placed = append_some(&case, 3).await?;
    let claimed = case.claim("mail").await?;
    let progress = case.progress("mail", claimed.epoch, placed[0].position);
    let finished = vec![placed[2].position];
    let checkpoint = Checkpoint { finished, ..progress.checkpoint.clone() };
    case.advance(Progress { checkpoint, ..progress.clone() }).await?;
    for handled in [&placed[0], &placed[2]] {
        let refused = steer(&case, "mail", Steer::Skip { position: handled.position }).await;
        assert!(matches!(refused, Err(Error::WrongState(_))), "{refused:?}");
    }
    let nowhere = Position { sequence: u64::MAX, ..placed[2].position };
    let refused = steer(&case, "mail", Steer::Skip { position: nowhere }).await;
    assert!(matches!(refused, Err(Error::NotFound { .. })), "{refused:?}");
    case.advance(progress).await?;
    Ok(())
}

/// Whatever is to be done to it.
pub async fn an_unknown_subscription_cannot_be_steered(case: Case) -> Result {
    let position = case.append_at("key", Version::Any).await?.position;
    let steers = [
        Steer::Pause,
        Steer::Resume,
        Steer::Move { to: Position::START },
        Steer::Skip { position },
    ];
    for wanted in steers {
        let refused = steer(&case, "nobody", wanted).await;
        let Err(Error::NotFound { value, .. }) = &refused else { panic!("{refused:?}") };
        assert_eq!(*value, case.subscription("nobody"));
    }
    Ok(())
}

/// Ahead, parked, dead, or done.
pub async fn the_fate_of_an_event_is_what_was_recorded(case: Case) -> Result {
    let placed = append_some(&case, 5).await?;
    let fate = async |name: &str, placed: &Placed| {
        let stream = case.stream("key");
        case.store.fate(&case.subscription(name), &stream, placed.position).await
    };
    let claimed = case.claim("mail").await?;
    assert_eq!(fate("mail", &placed[0]).await?, Some(Fate::Ahead));
    let letter = DeadLetter { position: placed[1].position, ..case.letter("mail", 1) };
    let state = ParkedState::Alone { crashes: 2 };
    let parked = Parked { state, ..case.parked(placed[0].position) };
    let due = case.parked(placed[3].position);
    case.advance(Progress {
        checkpoint: Checkpoint {
            finished: vec![placed[3].position, placed[4].position],
            ..Checkpoint::at(placed[2].position)
        },
        park: vec![parked, due.clone()],
        bury: vec![letter.clone()],
        ..case.progress("mail", claimed.epoch, Position::START)
    })
    .await?;
    let after = case.append_at("key", Version::Any).await?;
    let expected = [
        Fate::Parked(state),
        Fate::Dead(letter.id),
        Fate::Done,
        Fate::Parked(due.state),
        Fate::Done,
        Fate::Ahead,
    ];
    for (placed, expected) in placed.iter().chain([&after]).zip(expected) {
        assert_eq!(fate("mail", placed).await?, Some(expected), "{placed:?}");
    }
    assert_eq!(fate("nobody", &placed[0]).await?, None);
    Ok(())
}
