#![deny(warnings)]
#![forbid(unsafe_code)]
#![warn(missing_docs, unreachable_pub, unused_qualifications, missing_debug_implementations)]
#![warn(clippy::all, clippy::pedantic)]
//! Methods of services.

use kairo::prelude::*;

#[event("user.created")]
struct UserCreated;

mod services {
    pub(crate) struct Mailer;
}

#[handlers]
impl services::Mailer {
    const SENDER: &'static str = "ada";

    #[handler(event = "user.created")]
    async fn welcome(&self, _user: &UserCreated) -> Result<(), Failure> {
        self.send().await;
        Ok(())
    }

    #[kairo::handler(pattern = "**")]
    async fn log(&self, _event: &AnyEvent, _own: State<Self>, _attempt: Attempt) {}

    #[on_dead_letter(name = "mail-ops", retry(max = 1))]
    async fn alert(&self, _letter: &DeadLetter) {}

    #[cfg(any())]
    #[handler(event = "user.created")]
    async fn not_here(&self, _user: &Nobody) {}

    async fn send(&self) {
        let _ = Self::SENDER;
    }
}

fn main() {
    drop(services::Mailer.welcome(&UserCreated));
}
