use kairo::prelude::*;

#[event("cursor.moved", ephemeral)]
struct CursorMoved {
    x: u32,
}

#[handler(ephemeral, concurrency = 8)]
async fn on_cursor(_cursor: &CursorMoved) {}

fn main() {}
