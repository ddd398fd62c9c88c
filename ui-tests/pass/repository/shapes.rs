#![deny(warnings)]
#![forbid(unsafe_code)]
#![warn(clippy::all, clippy::pedantic, missing_docs, missing_debug_implementations)]
//! Entities of many shapes.

use std::collections::BTreeMap;

use kairo::{Validate, Violations, prelude::*, repository::Hooks};

/// An entity with everything.
#[repository(
    "shop.users",
    table = "app_users",
    prefix = "user",
    version = 3,
    from(UserV2, UserV1),
    hooks,
    validate
)]
#[derive(PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// The id.
    #[id]
    pub id: Uuid,
    #[unique]
    first_name: String,
    #[index]
    #[serde(rename = "mail")]
    email: Option<String>,
    status: Status,
    r#type: u8,
    tags: Vec<String>,
    labels: BTreeMap<String, String>,
    #[serde(skip)]
    cached: Option<String>,
    #[version]
    version: u64,
}

/// A value inside.
#[data]
#[derive(Default, PartialEq)]
pub enum Status {
    /// The first.
    #[default]
    Active,
    /// The second.
    Suspended {
        /// Why.
        reason: String,
    },
}

#[data]
struct UserV1 {
    id: Uuid,
}

#[data]
struct UserV2 {
    id: Uuid,
    name: String,
}

impl From<UserV1> for UserV2 {
    fn from(UserV1 { id }: UserV1) -> Self {
        Self { id, name: String::new() }
    }
}

impl From<UserV2> for User {
    fn from(UserV2 { id, name }: UserV2) -> Self {
        Self { id, first_name: name, ..Self::default() }
    }
}

impl Validate for User {
    fn validate(&self) -> Result<(), Violations> {
        if self.first_name.is_empty() {
            return Err(Violations::of("firstName", "too short"));
        }
        Ok(())
    }
}

impl Hooks for User {
    async fn before_create(&mut self, _tx: &mut Tx) -> Result<(), Failure> {
        self.tags.sort();
        Ok(())
    }
}

/// An id of a type of its own.
#[data]
#[derive(PartialEq)]
pub struct Number(u64);

mod inner {
    use super::{Number, repository};

    /// Nothing tells of it, and nothing but the id is in it.
    #[repository("inner", emit_events = false)]
    pub(crate) struct Inner {
        #[id]
        pub(crate) number: Number,
    }
}

#[repository("plain")]
#[derive(Clone, Debug)]
struct Plain {
    #[id]
    id: String,
    text: String,
}

#[handler(event = "user.created")]
async fn created(_event: &Created<User>) {}

#[handler]
async fn updated(event: Envelope<Updated<User>>, _users: Repository<User>) {
    let _ = (event.has_changed("mail"), &event.before, &event.entity, &event.id);
}

#[handler(event = "user.deleted")]
async fn deleted(_event: Deleted<User>) {}

#[handler(pattern = "user.*")]
async fn changed(change: UserChange) {
    match change {
        UserChange::Created(Created { entity: user, .. })
        | UserChange::Updated(Updated { entity: user, .. })
        | UserChange::Deleted(Deleted { entity: user, .. }) => drop(user),
    }
}

async fn all(kairo: Kairo, tx: &mut Tx) -> kairo::Result<()> {
    let users = kairo.repository::<User>();
    let (id, fields) = (Uuid::nil(), User::fields());
    let patch = UserPatch::new().first_name("Ada").email(None).status(Status::Active).r#type(1);
    users.create(User::default()).await?;
    users.update(id, patch.clone()).expect(3).await?;
    users.update_with(&id, |user| user.tags.clear()).await?;
    users.update_in(tx, id, patch).await?;
    users.save(User::default()).await?;
    users.upsert(User::default()).await?;
    users.delete(id).await?;
    let email = String::from("ada@example.com");
    let found = users.find(fields.email.eq(email) & fields.first_name.starts_with("A"));
    let page = found.order_by(fields.r#type.descending()).order_by(fields.id).page(None).await?;
    let _: (Vec<User>, Option<kairo::repository::PageCursor>) = (page.items, page.next);
    users.on_created("closure", |_event| async {}).await?;
    let plain = kairo.repository::<Plain>();
    plain.get("a").await?;
    plain.get(String::from("a")).await?;
    plain.update("a", PlainPatch::new().text("b")).await?;
    let inner = kairo.repository::<inner::Inner>();
    inner.create(inner::Inner { number: Number(7) }).await?;
    inner.get(Number(7)).await?;
    Ok(())
}

fn main() {
    assert_eq!(User::fields().first_name.name(), "firstName");
    assert_eq!(User::fields().email.name(), "mail");
    fn is_send<T: Send>(_: &T) {}
    let _ = |kairo: Kairo, mut tx: Tx| is_send(&all(kairo, &mut tx));
}
