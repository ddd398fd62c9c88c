//! Text that the compiler can put together while it evaluates constants.

/// The longest message, in bytes; what is longer is cut.
const TEXT_MAX: usize = 2048;

/// The longest words that are compared for a typing mistake, in bytes.
const WORD_MAX: usize = 63;

/// A message that grows by pieces.
#[derive(Clone, Copy)]
pub(super) struct Text {
    bytes: [u8; TEXT_MAX],
    len: usize,
}

impl Text {
    pub(super) const fn new() -> Self {
        Self { bytes: [0; TEXT_MAX], len: 0 }
    }

    pub(super) const fn then(mut self, piece: &str) -> Self {
        let piece = piece.as_bytes();
        let mut i = 0;
        while i < piece.len() && self.len < TEXT_MAX {
            self.bytes[self.len] = piece[i];
            self.len += 1;
            i += 1;
        }
        self
    }

    /// The last segment of an event's name as the name of a function.
    pub(super) const fn then_snake(mut self, name: &str) -> Self {
        let name = name.as_bytes();
        let mut i = name.len();
        while 0 < i && name[i - 1] != b'.' {
            i -= 1;
        }
        while i < name.len() && self.len < TEXT_MAX {
            self.bytes[self.len] = if name[i] == b'-' { b'_' } else { name[i] };
            self.len += 1;
            i += 1;
        }
        self
    }

    /// `"a", "b"`.
    pub(super) const fn then_list(mut self, words: &[&str]) -> Self {
        let mut i = 0;
        while i < words.len() {
            let comma = if i == 0 { "\"" } else { ", \"" };
            self = self.then(comma).then(words[i]).then("\"");
            i += 1;
        }
        self
    }

    pub(super) const fn as_str(&self) -> &str {
        let (text, _) = self.bytes.split_at(self.len);
        match std::str::from_utf8(text) {
            Ok(text) => text,
            // Cut inside a letter.
            Err(_) => "the message is too long to be shown",
        }
    }
}

/// Whether two texts are the same.
pub(super) const fn same(a: &str, b: &str) -> bool {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    // Eight at a time, because the compiler interprets this for every handler.
    while let (Some((a_head, a_tail)), Some((b_head, b_tail))) =
        (a.split_first_chunk(), b.split_first_chunk())
    {
        if u64::from_ne_bytes(*a_head) != u64::from_ne_bytes(*b_head) {
            return false;
        }
        (a, b) = (a_tail, b_tail);
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}

/// Whether a text is among some.
pub(super) const fn contains(words: &[&str], word: &str) -> bool {
    let mut i = 0;
    while i < words.len() {
        if same(words[i], word) {
            return true;
        }
        i += 1;
    }
    false
}

/// Edits between two words; swapping two neighbours is one edit (optimal string alignment).
pub(super) const fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if WORD_MAX < a.len() || WORD_MAX < b.len() {
        return usize::MAX;
    }
    // A row depends on the two before it, so three are kept, in turn.
    let mut rows = [[0; WORD_MAX + 1]; 3];
    let mut i = 0;
    while i <= a.len() {
        let mut j = 0;
        while j <= b.len() {
            rows[i % 3][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replaced = rows[(i + 2) % 3][j - 1] + if a[i - 1] == b[j - 1] { 0 } else { 1 };
                let mut edits = min(replaced, min(rows[(i + 2) % 3][j], rows[i % 3][j - 1]) + 1);
                if 1 < i && 1 < j && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    edits = min(edits, rows[(i + 1) % 3][j - 2] + 1);
                }
                edits
            };
            j += 1;
        }
        i += 1;
    }
    rows[a.len() % 3][b.len()]
}

const fn min(a: usize, b: usize) -> usize {
    if a < b { a } else { b }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swapped_letters_are_one_edit() {
        assert_eq!(distance("user.craeted", "user.created"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("same", "same"), 0);
    }

    #[test]
    fn a_text_that_is_too_long_is_cut() {
        let text = Text::new().then(&"a".repeat(TEXT_MAX)).then("b");
        assert_eq!(text.as_str().len(), TEXT_MAX);
    }
}
