//! Every promise is a law, and every law a test.

const GROUPS: [&str; 18] = [
    include_str!("deliveries.rs"),
    include_str!("documents.rs"),
    include_str!("faults.rs"),
    include_str!("journal.rs"),
    include_str!("letters.rs"),
    include_str!("log.rs"),
    include_str!("marks.rs"),
    include_str!("members.rs"),
    include_str!("queries.rs"),
    include_str!("reading.rs"),
    include_str!("restart.rs"),
    include_str!("retention.rs"),
    include_str!("sharing.rs"),
    include_str!("steering.rs"),
    include_str!("streams.rs"),
    include_str!("takeover.rs"),
    include_str!("timetable.rs"),
    include_str!("transactions.rs"),
];

/// What follows `mark` in a text, up to `end`.
fn between<'a>(text: &'a str, mark: &'a str, end: char) -> impl Iterator<Item = &'a str> {
    text.split(mark).skip(1).map(move |rest| rest.split(end).next().unwrap_or_default())
}

#[test]
fn every_law_is_made_a_test() {
    let lists = [include_str!("laws.rs"), include_str!("mod.rs")];
    let listed: Vec<_> = lists.iter().flat_map(|list| list.split_whitespace()).collect();
    for name in GROUPS.iter().flat_map(|group| between(group, "pub async fn ", '(')) {
        assert!(listed.contains(&name), "`{name}` is in no list");
    }
}

#[test]
fn every_promise_of_a_contract_is_a_law() {
    let contracts = [
        include_str!("../store/mod.rs"),
        include_str!("../store/transaction.rs"),
        include_str!("../documents/mod.rs"),
        include_str!("../delivery/mod.rs"),
        include_str!("../journal/mod.rs"),
        include_str!("../lease.rs"),
    ];
    let laws: Vec<_> =
        GROUPS.iter().flat_map(|group| between(group, "pub async fn ", '(')).collect();
    for promise in contracts.iter().flat_map(|contract| between(contract, "/// - `", '`')) {
        assert!(laws.contains(&promise), "`{promise}` is promised, and no law");
    }
}
