use kairo::prelude::*;

#[event("cursor.moved", ephemeral)]
struct CursorMoved {
    x: u32,
}

#[handler(start = "beginning")]
async fn on_cursor(_cursor: &CursorMoved) {}

fn main() {}
