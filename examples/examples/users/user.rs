//! The entity: what is kept, what is valid, and what can be looked for.

use kairo::prelude::*;

#[repository("users")]
pub struct User {
    #[id]
    pub id: String,
    #[garde(length(min = 1))]
    pub name: String,
    #[garde(email)]
    #[unique]
    pub email: String,
    #[index]
    pub status: Status,
    pub nick: Option<String>,
}

#[data]
#[derive(PartialEq)]
pub enum Status {
    Active,
    Inactive,
    Suspended,
}

pub fn user(id: &str, name: &str, email: &str) -> User {
    let (id, name, email) = (id.to_owned(), name.to_owned(), email.to_owned());
    User { id, name, email, status: Status::Active, nick: None }
}
