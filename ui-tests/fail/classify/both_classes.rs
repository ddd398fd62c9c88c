use kairo::Classify;

#[derive(Debug, thiserror::Error, Classify)]
#[error("no")]
enum MailError {
    #[permanent]
    #[retryable]
    Refused,
}

fn main() {}
