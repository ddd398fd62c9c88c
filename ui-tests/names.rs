//! The macros and the library agree on which names and patterns are right.

use proptest::prelude::*;

#[path = "../kairo-macros/src/names.rs"]
#[allow(dead_code, reason = "the macros also use what names are made of")]
mod names;

#[track_caller]
fn check(text: &str) {
    assert_eq!(names::check_name(text).is_ok(), kairo::EventName::new(text).is_ok(), "{text:?}");
    assert_eq!(
        names::check_pattern(text).is_ok(),
        kairo::event::pattern::check_pattern(text).is_ok(),
        "{text:?}"
    );
}

#[test]
fn the_same_names_are_right_at_compile_time_and_at_run_time() {
    for text in [
        "",
        ".",
        "a",
        "a.",
        ".a",
        "a..b",
        "a.b-c_d.9",
        "-",
        "_",
        "9",
        "A",
        "ä",
        "a b",
        "*",
        "**",
        "a.*",
        "a.**",
        "**.a",
        "*.a",
        "a.*.b",
        "a*",
        "***",
        "a.*b",
        "*.*",
        "**.**",
        "a.\n",
    ] {
        check(text);
    }
    for length in [199, 200, 201] {
        check(&"a".repeat(length));
        check(&"ä".repeat(length / 2));
    }
}

proptest! {
    #[test]
    fn the_same_random_names_are_right(text in "[a-cA.*_ä-]{0,8}") {
        check(&text);
    }

    #[test]
    fn different_names_never_claim_the_same_identifier(a in "[a-b._-]{1,6}", b in "[a-b._-]{1,6}") {
        prop_assert_eq!(a == b, names::mangled(&a) == names::mangled(&b));
    }
}
