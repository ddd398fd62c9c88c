//! What operators do to subscriptions, and what they ask about single events.

use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::{
    Change, PostgresStore,
    connections::answered,
    deliveries::{Known, Subscription, generation, number},
    failure::Trouble,
    rows::bind_place,
    shares::{self, parked_state, read_share, share_columns},
    tables::Tables,
};
use crate::{
    backend::shares::{Held, finish, has_passed},
    delivery::{Checkpoint, Fate, Partitions, Steer},
    error::{Error, Result},
    event::name::StreamName,
    store::Position,
};

const STREAM_AT: &str =
    "SELECT stream FROM {event} WHERE epoch = $1 AND order_id = $2 AND sequence = $3";

const UNPARK: &str = "DELETE FROM {s}kairo_parked WHERE epoch = $1 AND order_id = $2 \
     AND sequence = $3 AND subscription = $4";

/// A subscription's shares, each with what is known of the event at a place.
const FATE: &str = concat!(
    "SELECT h.*, s.partitions, p.state, p.due, p.crashes, l.id FROM {s}kairo_subscription AS s \
     LEFT JOIN {s}kairo_parked AS p ON p.subscription = s.name AND p.epoch = $1 \
      AND p.order_id = $2 AND p.sequence = $3 \
     LEFT JOIN LATERAL (SELECT id FROM {s}kairo_dead_letter WHERE subscription = s.name \
      AND epoch = $1 AND order_id = $2 AND sequence = $3 \
      ORDER BY last_failed, id LIMIT 1) AS l ON true \
     JOIN LATERAL (SELECT ",
    share_columns!(),
    " FROM {s}kairo_share WHERE subscription = s.name) AS h ON true WHERE s.name = $4"
);

/// The number of a share's columns.
const SHARE_COLUMNS: usize = 10;

impl PostgresStore {
    pub(super) async fn steer_subscription(&self, name: &str, steer: Steer) -> Result {
        self.shared.transact("steering a subscription of", &Steering { name, steer }).await?;
        self.shared.tell_others();
        Ok(())
    }

    pub(super) async fn fate_of(
        &self,
        name: &str,
        stream: &StreamName,
        position: Position,
    ) -> Result<Option<Fate>> {
        let statement = || bind_place(self.shared.tables.query(FATE), position).bind(name);
        let rows = self.shared.pool.fetch("reading", statement).await?;
        let read = || -> sqlx::Result<Option<Fate>> {
            for row in &rows {
                if row.try_get::<Option<&str>, _>(SHARE_COLUMNS + 1)?.is_some() {
                    return Ok(Some(Fate::Parked(parked_state(row, SHARE_COLUMNS + 1)?)));
                }
                if let Some(letter) = row.try_get::<Option<Uuid>, _>(SHARE_COLUMNS + 4)? {
                    return Ok(Some(Fate::Dead(letter)));
                }
                let share = read_share(row, 0, number(row, SHARE_COLUMNS)?)?;
                if share.partitions.have(stream.as_str()) {
                    let passed = has_passed(&share.checkpoint, stream.as_str(), position);
                    return Ok(Some(if passed { Fate::Done } else { Fate::Ahead }));
                }
            }
            Ok(None)
        };
        read().map_err(|error| self.unreadable(error))
    }
}

struct Steering<'a> {
    name: &'a str,
    steer: Steer,
}

impl Change for Steering<'_> {
    type Done = ();

    async fn make(
        &self,
        connection: &mut PgConnection,
        tables: &Tables,
        _races: usize,
    ) -> Result<(), Trouble> {
        let key = match self.steer {
            Steer::Skip { position } => stream_at(connection, tables, position).await?,
            _ => String::new(),
        };
        let mut known = Known::lock(connection, tables, &[self.name]).await?;
        let Some(held) = known.held.remove(self.name) else {
            return Err(missing("subscription", self.name.to_owned()).into());
        };
        match self.steer {
            Steer::Pause => self.pause(connection, tables, true).await?,
            Steer::Resume => self.pause(connection, tables, false).await?,
            Steer::Move { to } => {
                self.move_to(connection, tables, held, known.first_epoch, to).await?;
            }
            Steer::Skip { position } => {
                let skipped = Skipped { position, key };
                self.skip(connection, tables, held, known.first_epoch, skipped).await?;
            }
        }
        Ok(())
    }
}

fn missing(what: &'static str, value: String) -> Error {
    Error::NotFound { what, value }
}

async fn stream_at(
    connection: &mut PgConnection,
    tables: &Tables,
    position: Position,
) -> Result<String, Trouble> {
    let select = bind_place(tables.query(STREAM_AT), position);
    let row = answered(select.fetch_optional(connection)).await?;
    let row = row.ok_or_else(|| missing("event at the position", position.to_string()))?;
    Ok(row.try_get(0)?)
}

/// An event that is not to be handled.
struct Skipped {
    position: Position,
    key: String,
}

impl Steering<'_> {
    async fn pause(
        &self,
        connection: &mut PgConnection,
        tables: &Tables,
        paused: bool,
    ) -> sqlx::Result<()> {
        let update = "UPDATE {s}kairo_subscription SET paused = $2 WHERE name = $1";
        let update = tables.query(update).bind(self.name).bind(paused);
        answered(update.execute(connection)).await.map(drop)
    }

    async fn move_to(
        &self,
        connection: &mut PgConnection,
        tables: &Tables,
        held: Subscription,
        epoch: u64,
        to: Position,
    ) -> Result<(), Trouble> {
        let all = Partitions::all(held.partitions)?;
        let gone: Vec<_> = held.shares.iter().map(|share| (self.name, share.epoch)).collect();
        shares::delete(connection, tables, &gone).await?;
        let share = Held::free(all, epoch, Checkpoint::at(to));
        shares::insert(connection, tables, &[(self.name, &share)]).await?;
        let update = "UPDATE {s}kairo_subscription SET generation = $2 WHERE name = $1";
        let update = tables.query(update).bind(self.name).bind(i64::from(generation(epoch)));
        answered(update.execute(&mut *connection)).await?;
        let delete = "DELETE FROM {s}kairo_parked WHERE subscription = $1";
        answered(tables.query(delete).bind(self.name).execute(connection)).await?;
        Ok(())
    }

    async fn skip(
        &self,
        connection: &mut PgConnection,
        tables: &Tables,
        held: Subscription,
        epoch: u64,
        skipped: Skipped,
    ) -> Result<(), Trouble> {
        let Skipped { position, key } = skipped;
        let unpark = bind_place(tables.query(UNPARK), position).bind(self.name);
        let unparked = answered(unpark.execute(&mut *connection)).await?.rows_affected();
        let share = held.shares.into_iter().find(|share| share.partitions.have(&key));
        let Some(mut share) = share else { return Ok(()) };
        if unparked == 0 {
            if has_passed(&share.checkpoint, &key, position) {
                let state = format!("`{}` has handled the event at {position}", self.name);
                return Err(Error::WrongState(state).into());
            }
            finish(&mut share.checkpoint, position);
        }
        shares::delete(connection, tables, &[(self.name, share.epoch)]).await?;
        (share.epoch, share.owner, share.clean) = (epoch, None, true);
        shares::insert(connection, tables, &[(self.name, &share)]).await?;
        Ok(())
    }
}
