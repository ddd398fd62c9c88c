use kairo::prelude::*;

#[derive(Default)]
struct User {
    name: String,
}

#[aggregate("user")]
impl User {
    #[apply]
    fn created(&mut self, event: &String) {
        self.name.clone_from(event);
    }
}

fn main() {}
