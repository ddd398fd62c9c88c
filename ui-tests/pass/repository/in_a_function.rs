#![deny(warnings)]
#![forbid(unsafe_code)]
//! An entity inside a function, beside another of its name.

fn main() {
    use kairo::prelude::*;

    #[repository("users", local)]
    struct User {
        #[id]
        id: u64,
    }
    {
        #[repository("users", local)]
        struct User {
            #[id]
            id: u64,
        }
        let _ = User { id: 7 }.id;
    }
    let _ = (User { id: 7 }.id, UserPatch::new(), User::fields().id);
}
