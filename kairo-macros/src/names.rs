//! Names and patterns as the library checks them, and the nearest right one for a wrong one.

/// The longest name of an event or pattern, in bytes.
const NAME_MAX: usize = 200;

/// First segments of the library's own events.
const RESERVED: &[&str] = &["kairo", "saga", "pipeline"];

const ALLOWED: &str = "only lower-case letters, digits, `-` and `_` may be used between the dots";

/// Checks `user.created`; the message says what is wrong with it and proposes a name.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("the event name is empty: write something like \"user.created\"".to_owned());
    }
    if name.contains('*') {
        return Err(format!(
            "\"{name}\" is a pattern, but an event has exactly one name: write one without `*`"
        ));
    }
    check_length("event name", name)?;
    name.split('.')
        .enumerate()
        .try_for_each(|(index, segment)| check_segment("event name", name, index, segment))
}

/// Checks the name of an event that is declared: as above, and no name of the library's own events.
pub(crate) fn check_declared(name: &str) -> Result<(), String> {
    check_name(name)?;
    let (first, rest) = name.split_once('.').unwrap_or((name, ""));
    if !RESERVED.contains(&first) {
        return Ok(());
    }
    let dot = if rest.is_empty() { "" } else { "." };
    Err(format!(
        "event name \"{name}\" begins with \"{first}\", which is kept for the library's own events: \
         use another first segment, as in \"my-{first}{dot}{rest}\""
    ))
}

/// Checks `user.*`; the message says what is wrong with it and proposes a pattern.
pub(crate) fn check_pattern(pattern: &str) -> Result<(), String> {
    const WHAT: &str = "event pattern";
    if pattern.is_empty() {
        return Err("the event pattern is empty: write something like \"user.*\"".to_owned());
    }
    check_length(WHAT, pattern)?;
    let last = pattern.split('.').count() - 1;
    for (index, segment) in pattern.split('.').enumerate() {
        match segment {
            "*" => {}
            "**" if index == last => {}
            "**" => {
                return Err(format!(
                    "in the event pattern \"{pattern}\", `**` must be the last segment: it stands \
                     for all the remaining ones; use `*` for exactly one"
                ));
            }
            mixed if mixed.contains('*') => {
                return Err(format!(
                    "in the event pattern \"{pattern}\", the segment \"{mixed}\" mixes `*` with \
                     text: use `*` for one whole segment and `**` for all the remaining ones \
                     (\"user.*\", \"user.**\")"
                ));
            }
            plain => check_segment(WHAT, pattern, index, plain)?,
        }
    }
    Ok(())
}

fn check_length(what: &str, name: &str) -> Result<(), String> {
    if NAME_MAX < name.len() {
        return Err(format!("this {what} has {} bytes: use at most {NAME_MAX}", name.len()));
    }
    Ok(())
}

fn check_segment(what: &str, name: &str, index: usize, segment: &str) -> Result<(), String> {
    let pattern = what == "event pattern";
    if segment.is_empty() {
        let full: Vec<&str> = name.split('.').filter(|segment| !segment.is_empty()).collect();
        let tail = if pattern && name.ends_with('.') { ".*" } else { "" };
        let fix = match full.as_slice() {
            [] => format!("user{}", if pattern { ".*" } else { ".created" }),
            full => format!("{}{tail}", full.join(".")),
        };
        let number = index + 1;
        return Err(format!(
            "{what} \"{name}\" has an empty segment (number {number}): did you mean \"{fix}\"?"
        ));
    }
    let Some(odd) = segment.chars().find(|c| !is_allowed(*c)) else { return Ok(()) };
    let fix = if pattern { name.to_lowercase() } else { dotted(name) };
    // A proposal that is the name itself would be asked for a proposal again, for ever.
    let right = fix != name && if pattern { check_pattern(&fix) } else { check_name(&fix) }.is_ok();
    let hint = if right { format!("; did you mean \"{fix}\"?") } else { String::new() };
    Err(format!("{what} \"{name}\" contains {odd:?}: {ALLOWED}{hint}"))
}

fn is_allowed(c: char) -> bool {
    matches!(c, 'a'..='z' | '0'..='9' | '-' | '_')
}

/// The name that a type or a sloppy text suggests: `user.created` for `UserCreated` and
/// `User Created`.
pub(crate) fn dotted(text: &str) -> String {
    separated(text, '.')
}

/// `payment-failed` for `PaymentFailed`.
pub(crate) fn kebab(text: &str) -> String {
    separated(text, '-')
}

/// Puts a separator where a word begins, also after a run of capitals (`HTTPFailed`).
fn separated(text: &str, separator: char) -> String {
    let letters: Vec<char> = text.chars().collect();
    let mut name = String::new();
    for (index, &letter) in letters.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|index| letters.get(index));
        let after = letters.get(index + 1);
        let begins = letter.is_ascii_uppercase()
            && before.is_some_and(|before| {
                before.is_ascii_lowercase()
                    || before.is_ascii_digit()
                    || before.is_ascii_uppercase() && after.is_some_and(char::is_ascii_lowercase)
            });
        let allowed = letter.is_ascii_uppercase() || is_allowed(letter);
        if (begins || !allowed) && !name.is_empty() && !name.ends_with(separator) {
            name.push(separator);
        }
        if allowed {
            name.push(letter.to_ascii_lowercase());
        }
    }
    name.trim_matches(separator).to_owned()
}

/// `UserCreated` for `user.created`.
pub(crate) fn pascal(name: &str) -> String {
    name.split(['.', '-', '_'])
        .map(|word| {
            let mut letters = word.chars();
            letters.next().map_or_else(String::new, |first| {
                format!("{}{}", first.to_ascii_uppercase(), letters.as_str())
            })
        })
        .collect()
}

/// A name as part of an identifier; different names give different ones.
pub(crate) fn mangled(name: &str) -> String {
    name.chars()
        .map(|c| match c {
            '.' => "__".to_owned(),
            '-' => "_D_".to_owned(),
            '_' => "_U_".to_owned(),
            other => other.to_string(),
        })
        .collect()
}

/// "did you mean `x`?", or the list of what there is.
pub(crate) fn hint<'a>(
    found: &str,
    known: impl IntoIterator<Item = &'a str, IntoIter: Clone>,
) -> String {
    let known = known.into_iter();
    if let Some(nearest) = nearest(found, known.clone()) {
        return format!("did you mean `{nearest}`?");
    }
    let all: Vec<String> = known.map(|known| format!("`{known}`")).collect();
    match all.as_slice() {
        [] => "it takes none; remove it".to_owned(),
        [one] => format!("use {one}"),
        all => format!("use one of {}", all.join(", ")),
    }
}

/// The known word that is a typing mistake away, if there is one.
fn nearest<'a>(found: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|known| (distance(found, known), known))
        .filter(|(distance, known)| {
            *distance <= 2.max(known.len() / 3) && *distance < found.len().max(known.len())
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// Edits between two words; swapping two neighbours is one edit (optimal string alignment).
pub(crate) fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    rows[0] = (0..=b.len()).collect();
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut edits = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if 1 < i && 1 < j && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                edits = edits.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = edits;
        }
    }
    rows[a.len()][b.len()]
}
