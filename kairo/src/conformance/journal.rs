//! The laws of sagas: how they begin, change and end, and what of them is seen.

use std::collections::HashSet;

use tokio::task::JoinSet;

use super::{
    case::{Case, assert_same, later},
    saga::{end_of, has_moved, ids, of_orders, of_sagas, state, write_of},
};
use crate::{
    error::{Error, Result},
    journal::{Phase, SagaChange, SagaFilter, SagaRow, SagaWrite},
    store::{Append, Unit, Version},
};

/// How many try at a time to be the one.
const RIVALS: usize = 8;

/// In every field, as it was started and as it was written; one that is not there is `None`.
pub async fn a_saga_comes_back_as_it_was(case: Case) -> Result {
    let (plain, full) = (case.saga(), case.full_saga());
    for row in [&plain, &full] {
        case.start(row).await?;
        assert_same(&case.the_saga(row.id).await?, row);
    }
    let write = SagaWrite {
        shape: 1 << 63,
        phase: Phase::Parked,
        due: later(full.due, 7),
        ..end_of(&full, Phase::Parked)
    };
    case.write_saga(write.clone()).await?;
    let SagaWrite { shape, phase, due, changed, state, .. } = write;
    let expected = SagaRow { shape, phase, due, changed, state, revision: 2, owner: None, ..full };
    assert_same(&case.the_saga(expected.id).await?, &expected);
    assert_same(&case.the_saga(plain.id).await?, &plain);
    let missing = case.write_saga(write_of(&case.saga(), "missing")).await;
    assert!(matches!(missing, Err(Error::NotFound { what: "saga", .. })), "{missing:?}");
    assert!(case.store.saga(case.new_id()).await?.is_none());
    Ok(())
}

/// Whatever else is in the unit, and however the first has ended.
pub async fn a_start_key_is_taken_once(case: Case) -> Result {
    let first = case.saga_for("o-1");
    case.start(&first).await?;
    let second = case.saga_for("o-1");
    let appends = vec![Append::one(case.event("one"))];
    let unit = Unit { appends, ..of_sagas(vec![SagaChange::Start(second.clone())]) };
    for phase in [None, Some(Phase::Completed)] {
        if let Some(phase) = phase {
            case.write_saga(end_of(&first, phase)).await?;
        }
        let again = case.store.commit(unit.clone()).await;
        let Err(Error::SagaExists { key, id }) = again else { panic!("{again:?}") };
        assert_eq!((key.as_deref(), id), (Some("o-1"), first.id));
    }
    let same = case.start(&SagaRow { id: first.id, ..case.saga_for("o-2") }).await;
    let Err(Error::SagaExists { key: None, id }) = same else { panic!("{same:?}") };
    assert_eq!(id, first.id);
    assert_eq!(case.version_of("one").await?, 0);
    assert!(case.store.saga(second.id).await?.is_none());
    case.start(&case.saga_for("o-2")).await?;
    case.start(&SagaRow { saga: case.subscription("other"), ..second }).await
}

/// Also those of one unit; whoever was refused is told who won.
pub async fn one_of_many_starts_under_a_key(case: Case) -> Result {
    let mut starting = JoinSet::new();
    for number in 0..RIVALS {
        let (case, row) = (case.clone(), case.saga_for("o-1"));
        let appends = vec![Append::one(case.event(&format!("one{number}")))];
        starting.spawn(async move {
            let unit = Unit { appends, ..of_sagas(vec![SagaChange::Start(row.clone())]) };
            (row.id, case.store.commit(unit).await)
        });
    }
    let (mut won, mut told) = (Vec::new(), HashSet::new());
    for (id, started) in starting.join_all().await {
        match started {
            Ok(_) => won.push(id),
            Err(Error::SagaExists { id, .. }) => drop(told.insert(id)),
            Err(error) => return Err(error),
        }
    }
    assert_eq!(won.len(), 1);
    assert_eq!(told, HashSet::from([won[0]]));
    let mut events = 0;
    for number in 0..RIVALS {
        events += case.version_of(&format!("one{number}")).await?;
    }
    assert_eq!(events, 1, "what was refused has appended nothing");
    let rows = [case.saga_for("o-2"), case.saga_for("o-2")];
    let both = case.store.commit(of_sagas(rows.map(SagaChange::Start).to_vec())).await;
    assert!(matches!(both, Err(Error::SagaExists { .. })), "{both:?}");
    let filter = SagaFilter { key: Some("o-2".to_owned()), ..of_orders(&case) };
    assert!(case.store.sagas(filter).await?.is_empty());
    Ok(())
}

/// And a unit that changes a saga twice is refused.
pub async fn a_write_shows_what_it_has_seen(case: Case) -> Result {
    let row = case.saga();
    case.start(&row).await?;
    let first = write_of(&row, "first");
    case.write_saga(first.clone()).await?;
    let seen = case.the_saga(row.id).await?;
    assert_eq!((seen.revision, &seen.state), (2, &state("first")));
    let appends = vec![Append::one(case.event("one"))];
    let late = SagaWrite { epoch: 2, ..write_of(&seen, "late") };
    for write in [first, SagaWrite { revision: 3, ..late.clone() }, late] {
        let (id, change) = (write.id, SagaChange::Write(write));
        let unit = Unit { appends: appends.clone(), ..of_sagas(vec![change]) };
        let moved = case.store.commit(unit).await.map(drop);
        assert!(has_moved(&moved, id), "{moved:?}");
    }
    let twice = vec![SagaChange::Write(write_of(&seen, "twice")); 2];
    assert!(matches!(case.store.commit(of_sagas(twice)).await, Err(Error::Misuse(_))));
    assert_same(&case.the_saga(row.id).await?, &seen);
    assert_eq!(case.version_of("one").await?, 0);
    Ok(())
}

/// The others have appended nothing.
pub async fn one_of_many_writes_a_revision(case: Case) -> Result {
    let row = case.saga();
    case.start(&row).await?;
    let mut writing = JoinSet::new();
    for number in 0..RIVALS {
        let case = case.clone();
        let change = SagaChange::Write(write_of(&row, &number.to_string()));
        let appends = vec![Append::one(case.event("one"))];
        let unit = Unit { appends, ..of_sagas(vec![change]) };
        writing.spawn(async move { (number, case.store.commit(unit).await.map(drop)) });
    }
    let written = writing.join_all().await;
    let won: Vec<_> = written.iter().filter(|(_, written)| written.is_ok()).collect();
    assert_eq!(won.len(), 1, "{written:?}");
    assert!(written.iter().all(|(_, it)| it.is_ok() || has_moved(it, row.id)), "{written:?}");
    let seen = case.the_saga(row.id).await?;
    assert_eq!((seen.revision, seen.state), (2, state(&won[0].0.to_string())));
    assert_eq!(case.version_of("one").await?, 1);
    Ok(())
}

/// Whether events or another saga are in the way.
pub async fn a_saga_and_its_events_take_effect_together(case: Case) -> Result {
    let appends =
        |streams: [&str; 2]| streams.map(|stream| Append::one(case.event(stream))).to_vec();
    let row = case.saga();
    let start = SagaChange::Start(row.clone());
    let refused = Append { expected: Version::At(9), ..Append::one(case.event("one")) };
    let unit = Unit { appends: vec![refused.clone()], ..of_sagas(vec![start.clone()]) };
    let conflict = case.store.commit(unit).await;
    assert!(matches!(conflict, Err(Error::Conflict { .. })), "{conflict:?}");
    assert!(case.store.saga(row.id).await?.is_none());

    let both = Unit { appends: appends(["one", "two"]), ..of_sagas(vec![start]) };
    let committed = case.store.commit(both).await?;
    let versions: Vec<_> = committed.placed.iter().map(|placed| placed.version).collect();
    assert_eq!(versions, [1, 1]);
    let write = SagaChange::Write(write_of(&row, "first"));
    let unit = Unit { appends: vec![refused], ..of_sagas(vec![write.clone()]) };
    assert!(matches!(case.store.commit(unit).await, Err(Error::Conflict { .. })));
    assert_same(&case.the_saga(row.id).await?, &row);

    let other = case.saga();
    let pair = vec![SagaChange::Start(other.clone()), write];
    let unit = Unit { appends: appends(["one", "one"]), ..of_sagas(pair) };
    case.store.commit(unit.clone()).await?;
    assert_eq!(case.the_saga(other.id).await?, other);
    let again = case.store.commit(unit).await;
    assert!(matches!(again, Err(Error::SagaExists { .. })), "{again:?}");
    assert_eq!((case.version_of("one").await?, case.the_saga(row.id).await?.revision), (3, 2));
    Ok(())
}

/// And a step that runs again, whose events the log has already, carries its saga on.
pub async fn a_repeated_event_does_not_stop_its_saga(case: Case) -> Result {
    let (row, event) = (case.saga(), case.derived("one"));
    case.append(event.clone()).await?;
    for change in [SagaChange::Start(row.clone()), SagaChange::Write(write_of(&row, "first"))] {
        let appends = vec![Append::one(event.clone())];
        let committed = case.store.commit(Unit { appends, ..of_sagas(vec![change]) }).await?;
        assert!(committed.placed[0].duplicate);
    }
    assert_eq!((case.version_of("one").await?, case.the_saga(row.id).await?.revision), (1, 2));
    Ok(())
}

/// Cancelling raises the revision and makes the saga due; twice is no error.
pub async fn a_cancelled_saga_says_so(case: Case) -> Result {
    let case = case.joined("claiming").await?;
    let row = SagaRow { due: later(case.now(), 600), ..case.saga() };
    case.start(&row).await?;
    let now = later(row.changed, 1);
    case.cancel_saga(row.id, now).await?;
    let expected = SagaRow { cancelled: true, due: now, changed: now, revision: 2, ..row.clone() };
    assert_same(&case.the_saga(row.id).await?, &expected);
    case.cancel_saga(row.id, later(now, 1)).await?;
    assert_same(&case.the_saga(row.id).await?, &expected);
    let late = case.write_saga(write_of(&row, "late")).await;
    assert!(has_moved(&late, row.id), "{late:?}");
    let names = [case.subscription("order")];
    assert_eq!(ids(&case.store.claim_sagas(case.owner(), &names, now, 9).await?), [row.id]);
    // What is due already stays where it is in the queue, whoever has it.
    let own = SagaRow { owner: Some(case.owner()), ..case.saga() };
    case.start(&own).await?;
    case.cancel_saga(own.id, later(own.due, 1)).await?;
    let seen = case.the_saga(own.id).await?;
    assert_eq!((seen.due, seen.owner, seen.cancelled), (own.due, own.owner, true));
    Ok(())
}

/// Nor one that waits for people, nor one that is not there.
pub async fn a_finished_saga_cannot_be_cancelled(case: Case) -> Result {
    for phase in Phase::ALL.into_iter().filter(|phase| !phase.is_live()) {
        let row = case.saga();
        case.start(&row).await?;
        case.write_saga(end_of(&row, phase)).await?;
        let seen = case.the_saga(row.id).await?;
        let refused = case.cancel_saga(row.id, case.now()).await;
        let Err(Error::WrongState(reason)) = &refused else { panic!("{refused:?}") };
        assert!(reason.contains(phase.word()) && reason.contains(&row.id.to_string()), "{reason}");
        assert_same(&case.the_saga(row.id).await?, &seen);
    }
    let missing = case.cancel_saga(case.new_id(), case.now()).await;
    assert!(matches!(missing, Err(Error::NotFound { what: "saga", .. })), "{missing:?}");
    Ok(())
}

/// Then by id; a page goes on behind a saga, and filters narrow the list.
pub async fn sagas_are_listed_oldest_first(case: Case) -> Result {
    let (now, other) = (case.now(), case.subscription("other"));
    let at = |seconds, key| SagaRow { started: later(now, seconds), ..case.saga_for(key) };
    let mut rows = vec![at(3, "d"), at(1, "a"), at(2, "b"), at(2, "c")];
    for row in rows.iter().chain([&SagaRow { saga: other.clone(), ..at(2, "b") }]) {
        case.start(row).await?;
    }
    rows.sort_by_key(|row| (row.started, row.id));
    let all = ids(&rows);
    let of = of_orders(&case);
    let list = |filter| async { case.store.sagas(filter).await.map(|rows| ids(&rows)) };
    assert_same(&case.store.sagas(of.clone()).await?, &rows);
    assert_eq!(list(SagaFilter { limit: 3, ..of.clone() }).await?, all[..3]);
    for (index, row) in rows.iter().enumerate() {
        let after = Some((row.started, row.id));
        assert_eq!(list(SagaFilter { after, ..of.clone() }).await?, all[index + 1..]);
    }
    let (from, until) = (Some(later(now, 2)), Some(later(now, 3)));
    assert_eq!(list(SagaFilter { from, ..of.clone() }).await?, all[1..]);
    assert_eq!(list(SagaFilter { until, ..of.clone() }).await?, all[..3]);
    let after = Some((rows[0].started, rows[0].id));
    assert_eq!(list(SagaFilter { from, until, after, ..of.clone() }).await?, all[1..3]);
    let key = Some("d".to_owned());
    assert_eq!(list(SagaFilter { key, ..of.clone() }).await?, all[3..]);
    let narrow =
        SagaFilter { saga: None, key: Some("b".to_owned()), limit: usize::MAX >> 1, ..of.clone() };
    let found = case.store.sagas(narrow).await?;
    assert!(
        found.iter().any(|row| row.saga == other)
            && found.iter().all(|row| row.key.as_deref() == Some("b"))
    );

    case.write_saga(end_of(&rows[1], Phase::Stuck)).await?;
    case.write_saga(end_of(&rows[2], Phase::Completed)).await?;
    let phases = vec![Phase::Stuck, Phase::Completed];
    assert_eq!(list(SagaFilter { phases, ..of.clone() }).await?, all[1..3]);
    let (phases, limit) = (vec![Phase::Running], 1);
    assert_eq!(list(SagaFilter { phases, limit, ..of }).await?, all[..1]);
    Ok(())
}

/// The longest finished first, and no others; their keys are free again.
pub async fn finished_sagas_are_pruned(case: Case) -> Result {
    let now = case.now();
    let mut ended = Vec::new();
    for (seconds, phase) in [(3, Phase::Completed), (1, Phase::Failed), (2, Phase::Compensated)] {
        let row = case.saga_for(phase.word());
        case.start(&row).await?;
        let changed = later(now, seconds);
        case.write_saga(SagaWrite { changed, ..end_of(&row, phase) }).await?;
        ended.push(row);
    }
    let mut others = vec![case.saga()];
    case.start(&others[0]).await?;
    for phase in [Phase::Stuck, Phase::Parked] {
        let row = case.saga();
        case.start(&row).await?;
        case.write_saga(end_of(&row, phase)).await?;
        others.push(row);
    }
    let is_there = |row: &SagaRow| {
        let (case, id) = (case.clone(), row.id);
        async move { case.store.saga(id).await.map(|row| row.is_some()) }
    };
    assert_eq!(case.store.prune_sagas(later(now, 1), 9).await?, 0);
    assert_eq!(case.store.prune_sagas(later(now, 9), 1).await?, 1);
    assert!(!is_there(&ended[1]).await? && is_there(&ended[2]).await?);
    assert_eq!(case.store.prune_sagas(later(now, 3), 9).await?, 1);
    assert!(!is_there(&ended[2]).await? && is_there(&ended[0]).await?);
    assert_eq!(case.store.prune_sagas(later(now, 9), 9).await?, 1);
    for row in &others {
        assert!(is_there(row).await?);
    }
    assert_eq!(case.store.sagas(of_orders(&case)).await?.len(), others.len());
    case.start(&case.saga_for(Phase::Failed.word())).await
}
