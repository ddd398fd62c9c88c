use kairo::prelude::*;

struct Mailer;

#[handlers]
impl Mailer {
    async fn on_user(&self) {}
}

fn main() {}
