//! Every suite: who takes part, what is done, and what is promised.

use peers_core::Work;

use crate::{
    promise::Promise,
    suite::{On, Program, Row, Suite, Unit},
};

/// How many tasks append in a bulk import.
const BULK_WRITERS: usize = 1;

/// How long a long stream is.
const LONG: u64 = 10_000;

/// All suites, in the order in which they run.
pub(crate) fn all(log_events: u64) -> Vec<Suite> {
    let mut suites = vec![check("postgres", postgres()), check("sqlite", sqlite())];
    suites.extend([1, 10, 100].map(in_process));
    suites.extend([1, 8, 64].map(sqlite_append));
    suites.extend([1, 8, 64].map(postgres_append));
    suites.push(postgres_append_256());
    suites.push(postgres_append_10());
    suites.push(postgres_bulk());
    suites.push(postgres_handled());
    suites.extend([10, 100, LONG].map(postgres_load));
    suites.push(postgres_catch_up(log_events));
    suites
}

fn row(label: &'static str, program: &'static str, variant: &'static str, on: On) -> Row {
    let program = Program::Binary(program);
    Row { label, program, variant, on, before: None, work: Work::Check }
}

/// Everybody on PostgreSQL; the first is the limit.
fn postgres() -> Vec<Row> {
    vec![
        row("limit single", "peer-limit-postgres", "single", On::Postgres),
        row("limit group", "peer-limit-postgres", "group", On::Postgres),
        row("kairo", "peer-kairo", "store", On::Postgres),
        row("kairo publish", "peer-kairo", "bus", On::Postgres),
        row("evento write", "peer-evento", "write", On::Postgres),
        row("evento save", "peer-evento", "save", On::Postgres),
        row("cqrs-es", "peer-cqrs-es", "", On::Postgres),
        row("esrs", "peer-esrs", "", On::Postgres),
        row("distributed", "peer-distributed", "", On::Postgres),
    ]
}

/// Everybody on SQLite; the first is the limit.
fn sqlite() -> Vec<Row> {
    vec![
        row("limit single", "peer-limit-sqlite", "single", On::Sqlite),
        row("limit group", "peer-limit-sqlite", "group", On::Sqlite),
        row("kairo", "peer-kairo", "store", On::Sqlite),
        row("kairo publish", "peer-kairo", "bus", On::Sqlite),
        row("evento save", "peer-evento", "save", On::Sqlite),
        row("distributed", "peer-distributed", "", On::Sqlite),
    ]
}

fn doing(work: Work, rows: Vec<Row>) -> Vec<Row> {
    rows.into_iter().map(|row| Row { work, ..row }).collect()
}

fn without(labels: &[&str], mut rows: Vec<Row>) -> Vec<Row> {
    rows.retain(|row| !labels.contains(&row.label));
    rows
}

fn check(on: &str, rows: Vec<Row>) -> Suite {
    Suite {
        name: format!("{on}-check"),
        title: "which wrong appends are refused, and whether what was stored is loaded".to_owned(),
        unit: Unit::Checks,
        rows,
        promises: Vec::new(),
    }
}

fn in_process(handlers: usize) -> Suite {
    let script =
        Row { program: Program::Script("bus.ts"), ..row("TypeScript on bun", "", "", On::Nothing) };
    let rows = vec![
        row("registry by hand", "peer-in-process", "registry", On::Nothing),
        row("kairo", "peer-in-process", "kairo", On::Nothing),
        row("tokio mpsc", "peer-in-process", "mpsc", On::Nothing),
        row("tokio broadcast", "peer-in-process", "broadcast", On::Nothing),
        row("flume", "peer-in-process", "flume", On::Nothing),
        script,
    ];
    Suite {
        name: format!("in-process-{handlers}"),
        title: format!("publish until handled by {handlers} handlers in the same process"),
        unit: Unit::Nanos,
        rows: doing(Work::Publish { handlers }, rows),
        promises: vec![
            Promise::time("kairo", "registry by hand", 1.5),
            Promise::speed("kairo", "TypeScript on bun", if handlers == 1 { 6.0 } else { 4.0 }),
            // Which channel is the best differs from machine to machine.
            Promise::speed("kairo", "tokio mpsc", 1.8),
            Promise::speed("kairo", "tokio broadcast", 1.8),
            Promise::speed("kairo", "flume", 1.8),
        ],
    }
}

fn sqlite_append(writers: usize) -> Suite {
    let (limit, least, peers) = match writers {
        1 => ("limit single", 0.8, 2.0),
        8 => ("limit group", 0.75, 10.0),
        _ => ("limit group", 0.75, 20.0),
    };
    let against = |row| {
        [
            Promise::speed(row, limit, least),
            Promise::speed(row, "evento save", peers),
            Promise::speed(row, "distributed", peers),
        ]
    };
    Suite {
        name: format!("sqlite-append-{writers}"),
        title: format!("appends of one event on SQLite, synchronous=FULL, {writers} writers"),
        unit: Unit::Events,
        rows: doing(Work::Append { writers, per: 1 }, sqlite()),
        promises: [against("kairo"), against("kairo publish")].concat(),
    }
}

fn postgres_append(writers: usize) -> Suite {
    let least = if writers == 64 { 1.2 } else { 0.8 };
    let mut promises = vec![
        Promise::speed("kairo", "limit single", least),
        Promise::speed("kairo publish", "limit single", least),
    ];
    if writers == 64 {
        promises.extend([
            Promise::speed("kairo", "evento write", 2.5),
            Promise::speed("kairo", "esrs", 3.0),
            Promise::speed("kairo", "cqrs-es", 3.0),
            Promise::speed("kairo", "distributed", 4.5),
        ]);
    }
    Suite {
        name: format!("postgres-append-{writers}"),
        title: format!("appends of one event on PostgreSQL, {writers} writers"),
        unit: Unit::Events,
        rows: doing(Work::Append { writers, per: 1 }, postgres()),
        promises,
    }
}

/// Against the limit with 64 writers, beyond which one statement each gains nothing.
fn postgres_append_256() -> Suite {
    let at_64 = Row { label: "limit single, 64 writers", ..postgres().swap_remove(0) };
    let mut rows = doing(Work::Append { writers: 64, per: 1 }, vec![at_64]);
    rows.extend(doing(Work::Append { writers: 256, per: 1 }, postgres()));
    Suite {
        name: "postgres-append-256".to_owned(),
        title: "appends of one event on PostgreSQL, 256 writers".to_owned(),
        unit: Unit::Events,
        rows,
        promises: vec![
            Promise::speed("kairo", "limit single, 64 writers", 2.2),
            Promise::speed("kairo publish", "limit single, 64 writers", 2.2),
        ],
    }
}

fn postgres_append_10() -> Suite {
    let rows = without(&["kairo publish"], postgres());
    Suite {
        name: "postgres-append-10-events".to_owned(),
        title: "appends of 10 events on PostgreSQL, 8 writers".to_owned(),
        unit: Unit::Events,
        rows: doing(Work::Append { writers: 8, per: 10 }, rows),
        promises: vec![
            Promise::speed("kairo", "limit single", 0.85),
            Promise::speed("kairo", "evento write", 1.2),
        ],
    }
}

fn postgres_bulk() -> Suite {
    let rows = without(&["kairo publish", "limit group"], postgres());
    Suite {
        name: "postgres-bulk".to_owned(),
        title: "appends of 1,000 events on PostgreSQL, 1 writer".to_owned(),
        unit: Unit::Events,
        rows: doing(Work::Append { writers: BULK_WRITERS, per: 1_000 }, rows),
        promises: vec![Promise::speed("kairo", "limit single", 0.8)],
    }
}

/// Through the durable log; the bus of distributed has no streams, and so no versions to expect.
fn postgres_handled() -> Suite {
    let publish = row("kairo publish", "peer-kairo", "bus", On::Postgres);
    let alone = Row {
        label: "kairo publish, no handler",
        work: Work::Append { writers: 64, per: 1 },
        ..publish.clone()
    };
    let bus = row("distributed bus", "peer-distributed", "bus", On::Postgres);
    let mut rows = vec![alone];
    rows.extend(doing(Work::Handle { writers: 64 }, vec![publish, bus]));
    Suite {
        name: "postgres-handled".to_owned(),
        title: "publish on PostgreSQL, 64 writers, until a handler has handled everything"
            .to_owned(),
        unit: Unit::Events,
        rows,
        promises: vec![Promise::speed("kairo publish", "kairo publish, no handler", 0.6)],
    }
}

/// Aggregates, where a participant has them; the long ones also from snapshots.
fn postgres_load(events: u64) -> Suite {
    let limit = if events == LONG { 1.1 } else { 0.85 };
    let mut rows = without(&["kairo", "kairo publish", "limit group"], postgres());
    let mut promises = vec![
        Promise::speed("kairo", "limit single", limit),
        Promise::speed("kairo", "cqrs-es", 1.7),
        Promise::speed("kairo", "distributed", 1.2),
    ];
    let mut kairo = vec![row("kairo", "peer-kairo", "bus", On::Postgres)];
    // What evento has written without its snapshots it loads event by event, which takes it
    // seconds for so many.
    if events == LONG {
        rows = without(&["evento write"], rows);
        kairo.push(row("kairo snapshot", "peer-kairo", "snapshot", On::Postgres));
        promises.push(Promise::speed("kairo snapshot", "kairo", 50.0));
    }
    rows.splice(1..1, kairo);
    Suite {
        name: format!("postgres-load-{events}"),
        title: format!("loading a stream of {events} events from PostgreSQL, 1 reader"),
        unit: Unit::Loads,
        rows: doing(Work::Load { events }, rows),
        promises,
    }
}

fn postgres_catch_up(events: u64) -> Suite {
    let limit = Row { label: "limit", ..postgres().swap_remove(0) };
    let kairo = row("kairo", "peer-kairo", "store", On::Postgres);
    let rows = vec![limit, kairo].into_iter().map(|row| Row {
        before: Some(Work::Fill { events }),
        work: Work::CatchUp { events },
        ..row
    });
    Suite {
        name: "postgres-catch-up".to_owned(),
        title: format!("going through a log of {events} events on PostgreSQL"),
        unit: Unit::Events,
        rows: rows.collect(),
        promises: vec![Promise::speed("kairo", "limit", 0.5)],
    }
}
