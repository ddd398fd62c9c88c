//! Events, handlers and the binary live in three crates, and two of them know the library under
//! another name.

use std::process::Command;

#[test]
fn everything_in_every_named_crate_is_wired() {
    let output = Command::new(env!("CARGO_BIN_EXE_apart-app")).output().expect("the app starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).expect("the app prints text");
    assert_eq!(
        printed,
        "kairo: apart_events: 3 events, 0 handlers\n\
         kairo: apart_handlers: 0 events, 3 handlers\n\
         customer.joined is dead: nobody lives there\n\
         greeting at attempt 2\n"
    );
}
