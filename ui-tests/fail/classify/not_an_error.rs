use kairo::Classify;

#[derive(Classify)]
enum MailError {
    #[permanent]
    Refused,
}

fn main() {}
