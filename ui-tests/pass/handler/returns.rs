#![deny(warnings)]
#![forbid(unsafe_code)]
#![warn(missing_docs, unreachable_pub, unused_qualifications, missing_debug_implementations)]
#![warn(clippy::all, clippy::pedantic)]
//! What a handler can return.

use kairo::prelude::*;

#[event("user.created")]
struct UserCreated;

#[event("user.welcomed")]
struct UserWelcomed;

#[events]
enum Answer {
    Welcomed(UserWelcomed),
}

#[handler]
async fn of_an_enum(_user: &UserCreated) -> Answer {
    Answer::Welcomed(UserWelcomed)
}

#[handler]
async fn perhaps_of_an_enum(_user: &UserCreated) -> Option<Answer> {
    None
}

#[handler]
async fn several_of_an_enum(_user: &UserCreated) -> Result<Vec<Answer>, Failure> {
    Ok(vec![UserWelcomed.into()])
}

type Fallible<T> = Result<T, Failure>;
type KairoResult = kairo::Result;

#[handler]
async fn nothing(_user: &UserCreated) -> () {}

#[handler]
async fn one(_user: &UserCreated) -> UserWelcomed {
    UserWelcomed
}

#[handler]
async fn perhaps(_user: &UserCreated) -> Option<UserWelcomed> {
    None
}

#[handler]
async fn several(_user: &UserCreated) -> Vec<UserWelcomed> {
    vec![UserWelcomed, UserWelcomed]
}

#[handler]
async fn fallible(_user: &UserCreated) -> Result<(), std::io::Error> {
    Ok(())
}

#[handler]
async fn fallible_one(_user: &UserCreated) -> Result<UserWelcomed, Failure> {
    Err(Failure::permanent("no"))
}

#[handler]
async fn fallible_several(
    _user: &UserCreated,
) -> Result<Vec<UserWelcomed>, Box<dyn std::error::Error + Send + Sync>> {
    Ok(Vec::new())
}

#[handler]
async fn of_the_library(_user: &UserCreated) -> kairo::Result {
    Ok(())
}

#[handler]
async fn by_alias(_user: &UserCreated) -> KairoResult {
    Ok(())
}

fn main() {
    let _: Fallible<()> = Ok(());
}
