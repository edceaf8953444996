//! Rust source as the rules see it: without comments and literals, cut into words and marks.

/// A word or a mark of a source, and the line it stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) text: &'a str,
    pub(super) line: usize,
}

/// `text` with every comment, string and character literal turned into spaces; lines stay where they are.
pub(super) fn blanked(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut blanked = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let follows_word = at > 0 && is_word(chars[at - 1]);
        let end = at + opaque_length(&chars[at..], follows_word);
        if end == at {
            blanked.push(chars[at]);
            at += 1;
        }
        while at < end.min(chars.len()) {
            blanked.push(if chars[at] == '\n' { '\n' } else { ' ' });
            at += 1;
        }
    }
    blanked
}

/// The words (identifiers, keywords, numbers) and marks of blanked source; `::` is one mark.
pub(super) fn tokens(blanked: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    for (index, line) in blanked.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let length = if is_word(first) {
                rest.find(|c| !is_word(c)).unwrap_or(rest.len())
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            tokens.push(Token { text: &rest[..length], line: index + 1 });
            rest = rest[length..].trim_start();
        }
    }
    tokens
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// How many characters of `rest` are one comment, string or character literal; 0 where it starts with code.
fn opaque_length(rest: &[char], follows_word: bool) -> usize {
    match rest {
        ['/', '/', ..] => rest.iter().position(|c| *c == '\n').unwrap_or(rest.len()),
        ['/', '*', ..] => block_comment_length(rest),
        ['r', '"' | '#', ..] if !follows_word => raw_string_length(rest, 1),
        ['b' | 'c', 'r', '"' | '#', ..] if !follows_word => raw_string_length(rest, 2),
        ['"', ..] => quoted_length(rest, '"'),
        ['\'', '\\', ..] => quoted_length(rest, '\''),
        ['\'', _, '\'', ..] => 3,
        _ => 0,
    }
}

fn quoted_length(rest: &[char], quote: char) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// Comments nest.
fn block_comment_length(rest: &[char]) -> usize {
    let (mut at, mut depth) = (2, 1);
    while at < rest.len() && depth > 0 {
        match rest[at..] {
            ['/', '*', ..] => (at, depth) = (at + 2, depth + 1),
            ['*', '/', ..] => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
    }
    at
}

/// 0 for a raw identifier (`r#type`), which is code.
fn raw_string_length(rest: &[char], prefix: usize) -> usize {
    let hashes = rest[prefix..].iter().take_while(|c| **c == '#').count();
    let open = prefix + hashes;
    if rest.get(open) != Some(&'"') {
        return 0;
    }
    let closes =
        |at: usize| rest[at] == '"' && rest[at + 1..].iter().take_while(|c| **c == '#').count() >= hashes;
    (open + 1..rest.len()).find(|at| closes(*at)).map_or(rest.len(), |at| at + 1 + hashes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> String {
        let blanked = blanked(text);
        tokens(&blanked).iter().map(|token| token.text).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn comments_and_literals_are_no_code() {
        assert_eq!(words("a // b\nc"), "a c");
        assert_eq!(words("a /* b /* c */ d */ e"), "a e");
        assert_eq!(words(r#"a "b \" c" d"#), "a d");
        assert_eq!(words(r##"a r"b" r#"c " d"# br#"e"# f"##), "a f");
        assert_eq!(words(r"a 'b' '\'' '\u{41}' c"), "a c");
        assert_eq!(words(r#"a b"c" d"#), "a b d");
    }

    #[test]
    fn lifetimes_and_raw_identifiers_are_code() {
        assert_eq!(words("fn f<'a>(x: &'a str) -> r#type"), "fn f < ' a > ( x : & ' a str ) - > r # type");
    }

    #[test]
    fn a_token_knows_its_line() {
        let source = blanked("\"one\ntwo\"\n/* three\nfour */ a::b");
        let found = tokens(&source);
        let expected = ["a", "::", "b"].map(|text| Token { text, line: 4 });
        assert_eq!(found, expected);
    }
}
