#![deny(warnings)]
#![forbid(unsafe_code)]
#![warn(missing_docs, unreachable_pub, unused_qualifications, missing_debug_implementations)]
#![warn(clippy::all, clippy::pedantic)]
//! What a handler can take.

use kairo::prelude::*;

#[event("user.created")]
struct UserCreated {
    user_id: u64,
}

#[event("user.deleted")]
struct UserDeleted;

#[events]
enum UserEvent {
    Created(UserCreated),
    Deleted(UserDeleted),
}

struct Mailer;

struct Tenant(String);

impl FromContext for Tenant {
    async fn from_context(context: &Context) -> Result<Self, Failure> {
        Ok(Self(context.subscription().to_owned()))
    }
}

#[handler]
async fn by_value(user: UserCreated) {
    let _ = user.user_id;
}

#[handler(event = "user.created")]
async fn by_reference(user: &UserCreated) {
    let _ = user.user_id;
}

#[handler]
async fn in_an_envelope(user: Envelope<UserCreated>) {
    let _ = user.user_id;
}

#[handler]
async fn in_a_borrowed_envelope(user: &Envelope<UserCreated>) {
    let _ = user.user_id;
}

#[handler]
async fn members(_event: UserEvent) {}

#[handler(event = "user.deleted")]
async fn one_member(_event: &UserEvent) {}

#[handler(pattern = "user.*")]
async fn matching(_event: &Envelope<UserEvent>) {}

#[handler(regex = "user\\..*")]
async fn by_regex(_event: UserEvent) {}

#[handler(pattern = "**")]
async fn everything(_event: &AnyEvent) {}

#[handler(event = "user.created")]
async fn undecoded(_event: AnyEvent) {}

#[handler]
async fn with_extractors(
    UserCreated { user_id }: UserCreated,
    State(mailer): State<Mailer>,
    mut tenant: Tenant,
    borrowed: &State<Mailer>,
    changed: &mut Tenant,
    attempt: Attempt,
    _: Context,
) {
    tenant.0.push('!');
    changed.0.push_str(&tenant.0);
    let _ = (user_id, mailer, borrowed, attempt);
}

fn main() {
    // The functions are still what was written.
    drop(by_value(UserCreated { user_id: 1 }));
    drop(by_reference(&UserCreated { user_id: 1 }));
    let _ = (in_an_envelope, in_a_borrowed_envelope, undecoded, with_extractors);
    drop(members(UserEvent::Deleted(UserDeleted)));
    let _ = (
        one_member,
        matching,
        by_regex,
        everything,
        UserEvent::Created(UserCreated { user_id: 1 }),
    );
}
