//! The rules of an entity's fields and of the marks on them.

use proc_macro2::Ident;
use syn::{Data, DataStruct, Fields, PathArguments, Type};

use super::{
    parse::{Input, Kind, Mark},
    stored,
};
use crate::{
    mistakes::Mistakes,
    tokens::{last_segment, peel, show, type_argument},
};

/// A field of an entity.
pub(crate) struct Field {
    pub(crate) ident: Ident,
    pub(crate) ty: Type,
    /// Its name in the documents, where queries can say it.
    pub(crate) stored: Option<String>,
    /// Whether it has an index, and then whether of unique values.
    pub(crate) unique: Option<bool>,
}

/// The fields, and which of them are special.
pub(crate) struct All {
    pub(crate) fields: Vec<Field>,
    pub(crate) id: usize,
    pub(crate) version: Option<usize>,
}

/// Checks the fields; `None` for an item that cannot be an entity at all.
pub(crate) fn check(mistakes: &mut Mistakes, input: &Input) -> Option<All> {
    let ident = &input.item.ident;
    let named = match &input.item.data {
        Data::Struct(DataStruct { fields: Fields::Named(fields), .. }) => fields,
        Data::Enum(data) => {
            mistakes.on(
                data.enum_token,
                format!(
                    "entity `{ident}` is an enum, but an entity has an id and fields that queries \
                     name: write a struct that holds the enum in a field"
                ),
            );
            return None;
        }
        _ => {
            mistakes.at(
                ident.span(),
                format!(
                    "entity `{ident}` needs fields with names, which updates and queries say: write \
                     `struct {ident} {{ #[id] id: kairo::Uuid, .. }}`"
                ),
            );
            return None;
        }
    };
    let all = stored::told(&input.item.attrs);
    let fields: Vec<Field> = named
        .named
        .iter()
        .filter_map(|field| {
            let ident = field.ident.clone()?;
            let told = stored::told(&field.attrs);
            let name = stored::name(&ident, &told, &all);
            let is_plain = !told.hidden && stored::is_plain(&name);
            Some(Field {
                ident,
                ty: field.ty.clone(),
                stored: is_plain.then_some(name),
                unique: None,
            })
        })
        .collect();
    if fields.is_empty() {
        no_id(mistakes, ident, &fields);
        return None;
    }
    Some(marked(mistakes, input, fields))
}

fn marked(mistakes: &mut Mistakes, input: &Input, mut fields: Vec<Field>) -> All {
    let ident = &input.item.ident;
    let first = |kind| input.marks.iter().find(move |mark: &&Mark| mark.kind == kind);
    let (id, version) = (first(Kind::Id), first(Kind::Version));
    for mark in &input.marks {
        match mark.kind {
            Kind::Id => check_id(mistakes, ident, &fields, id, mark),
            Kind::Version => check_version(mistakes, ident, &fields, version, mark),
            Kind::Index | Kind::Unique => check_index(mistakes, input, &fields, mark),
        }
        check_repeated(mistakes, input, mark);
        if let (Kind::Index | Kind::Unique, Some(field)) = (mark.kind, fields.get_mut(mark.field)) {
            field.unique = Some(mark.kind == Kind::Unique || field.unique == Some(true));
        }
    }
    if id.is_none() {
        no_id(mistakes, ident, &fields);
    }
    for field in &fields {
        if field.ident == "new" {
            mistakes.at(
                field.ident.span(),
                format!(
                    "`{ident}Patch` has a function `new`, so no method of it can set this field: \
                     use another name, and keep that of the documents with \
                     `#[serde(rename = \"new\")]`"
                ),
            );
        }
    }
    // Without an id the first field stands in, so that other code keeps compiling.
    All { fields, id: id.map_or(0, |mark| mark.field), version: version.map(|mark| mark.field) }
}

/// One kind of mark on one field once, and one index.
fn check_repeated(mistakes: &mut Mistakes, input: &Input, mark: &Mark) {
    let mut others = input.marks.iter().filter(|other| other.field == mark.field);
    let first = others.next().is_none_or(|first| std::ptr::eq(first, mark));
    if first {
        return;
    }
    let before = input.marks.iter().find(|other| other.field == mark.field);
    let Some(before) = before.map(|before| before.kind) else { return };
    let message = match (before, mark.kind) {
        (one, other) if one == other => {
            let name = one.name();
            format!("`#[{name}]` stands here twice: remove one of them")
        }
        (Kind::Index, Kind::Unique) | (Kind::Unique, Kind::Index) => {
            "`#[unique]` is an index already: remove `#[index]`".to_owned()
        }
        (Kind::Id, Kind::Index | Kind::Unique) | (Kind::Index | Kind::Unique, Kind::Id) => {
            "the id is unique and has an index by itself: remove the other mark".to_owned()
        }
        _ => "the version is counted by the store, and is nothing else: remove the other mark"
            .to_owned(),
    };
    mistakes.at(mark.span, message);
}

fn check_id(
    mistakes: &mut Mistakes,
    ident: &Ident,
    fields: &[Field],
    first: Option<&Mark>,
    mark: &Mark,
) {
    if let Some(first) = first
        && first.field != mark.field
        && let Some(field) = fields.get(first.field)
    {
        let message = format!(
            "`{}` is already the id of `{ident}`: remove one of the two marks",
            field.ident
        );
        mistakes.at(mark.span, message);
        return;
    }
    let Some(field) = fields.get(mark.field) else { return };
    if field.stored.is_none() {
        hidden(mistakes, field, "the id");
    }
    if is_no_id(&field.ty) {
        mistakes.on(
            &field.ty,
            format!(
                "`{}` cannot be an id, which is written as a text or a whole number: use a `Uuid`, a \
                 `String`, an integer, or a newtype of one of these",
                show(&field.ty)
            ),
        );
    }
}

fn check_version(
    mistakes: &mut Mistakes,
    ident: &Ident,
    fields: &[Field],
    first: Option<&Mark>,
    mark: &Mark,
) {
    if let Some(first) = first
        && first.field != mark.field
        && let Some(field) = fields.get(first.field)
    {
        let message = format!(
            "`{}` is already the version of `{ident}`: remove one of the two marks",
            field.ident
        );
        mistakes.at(mark.span, message);
        return;
    }
    let Some(field) = fields.get(mark.field) else { return };
    if last_segment(&field.ty).is_none_or(|last| last.ident != "u64") {
        let shown = show(&field.ty);
        mistakes.on(
            &field.ty,
            format!("the version of an entity is counted in `u64`, not `{shown}`: write `u64`"),
        );
    }
}

fn check_index(mistakes: &mut Mistakes, input: &Input, fields: &[Field], mark: &Mark) {
    let Some(field) = fields.get(mark.field) else { return };
    let is_marked =
        |kind| input.marks.iter().any(|other| other.field == mark.field && other.kind == kind);
    if is_marked(Kind::Id) || is_marked(Kind::Version) {
        return;
    }
    let name = mark.kind.name();
    if field.stored.is_none() {
        hidden(mistakes, field, &format!("a field with `#[{name}]`"));
    }
    if is_collection(&field.ty) {
        mistakes.on(
            &field.ty,
            format!(
                "`#[{name}]` is for single values, not for `{}`: remove it, or move what is looked for \
                 into a field of its own",
                show(&field.ty)
            ),
        );
    }
}

/// A field that is needed in the documents is not there, or not under a name that queries can say.
fn hidden(mistakes: &mut Mistakes, field: &Field, what: &str) {
    mistakes.at(
        field.ident.span(),
        format!(
            "{what} is stored under a name of letters, digits and `_`: change what \
             `#[serde(..)]` says of `{}`",
            field.ident
        ),
    );
}

fn no_id(mistakes: &mut Mistakes, ident: &Ident, fields: &[Field]) {
    let lower = ident.to_string().to_lowercase();
    let is_likely = |field: &&Field| {
        let name = field.ident.to_string();
        name == "id" || name == "uuid" || name == format!("{lower}_id")
    };
    match fields.iter().find(is_likely) {
        Some(field) => {
            let (name, ty) = (&field.ident, show(&field.ty));
            mistakes.at(
                name.span(),
                format!(
                    "entity `{ident}` has no `#[id]`: is it `{name}`? write `#[id] {name}: {ty}`"
                ),
            );
        }
        None => mistakes.at(
            ident.span(),
            format!("entity `{ident}` has no id: add `#[id]` to the field that identifies it"),
        ),
    }
}

/// Types that are known to be neither a text nor a whole number.
fn is_no_id(ty: &Type) -> bool {
    const NONE: &[&str] = &["bool", "f32", "f64", "Option", "Box"];
    is_collection(ty)
        || last_segment(peel(ty).0).is_some_and(|last| NONE.iter().any(|name| last.ident == name))
        || matches!(ty, Type::Reference(_))
}

/// Types that are known to hold many values.
fn is_collection(ty: &Type) -> bool {
    const MANY: &[&str] = &[
        "Vec",
        "VecDeque",
        "LinkedList",
        "HashMap",
        "BTreeMap",
        "HashSet",
        "BTreeSet",
        "BinaryHeap",
    ];
    match ty {
        Type::Tuple(_) | Type::Array(_) | Type::Slice(_) => true,
        _ => last_segment(ty).is_some_and(|last| {
            MANY.iter().any(|name| last.ident == name)
                && matches!(last.arguments, PathArguments::AngleBracketed(_))
                || type_argument(ty, "Option").is_some_and(is_collection)
        }),
    }
}
