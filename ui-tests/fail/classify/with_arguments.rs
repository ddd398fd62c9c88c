use kairo::Classify;

#[derive(Debug, thiserror::Error, Classify)]
#[error("no")]
enum MailError {
    #[permanent(true)]
    Refused,
}

fn main() {}
