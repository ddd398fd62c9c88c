use kairo::Classify;

#[derive(Debug, thiserror::Error, Classify)]
#[error("no")]
#[permanent]
#[permanent]
enum MailError {
    Refused(#[permanent] u8),
    #[retryable = 3]
    Busy,
}

fn main() {}
