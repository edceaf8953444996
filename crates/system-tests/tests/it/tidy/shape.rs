//! How a source file looks: its first sentence, its length, the length of its functions.

use super::{
    File, Offence,
    code::{Token, blanked, tokens},
};

const FILE_LINES_MAX: usize = 400;
const FUNCTION_LINES_MAX: usize = 70;
const MAIN_LINES_MAX: usize = 40;
/// Fewer words say nothing that the file's name does not.
const SENTENCE_WORDS_MIN: usize = 3;

/// The first line says what the file is for.
pub(super) fn a_file_opens_with_a_sentence(files: &[File]) -> Vec<Offence> {
    let opens = |file: &&File| {
        let doc = file.text.lines().map_while(|line| line.strip_prefix("//! "));
        let paragraph: Vec<&str> =
            doc.take_while(|line| !line.is_empty()).flat_map(str::split_whitespace).collect();
        let ended = paragraph.last().is_some_and(|word| word.ends_with(['.', ':', '`', ')']));
        paragraph.len() >= SENTENCE_WORDS_MIN && ended
    };
    let silent = files.iter().filter(|file| !opens(file));
    silent.map(|file| Offence::at(file, 1, "opens with no `//!` sentence")).collect()
}

/// The `main` of a program wires and no more.
pub(super) fn main_is_short(files: &[File]) -> Vec<Offence> {
    let mains = files.iter().filter(|file| file.path.ends_with("/src/main.rs"));
    mains.filter_map(|file| longer_than(MAIN_LINES_MAX, file)).collect()
}

/// A file is about one thing.
pub(super) fn a_file_is_short(files: &[File]) -> Vec<Offence> {
    files.iter().filter_map(|file| longer_than(FILE_LINES_MAX, file)).collect()
}

fn longer_than(max: usize, file: &File) -> Option<Offence> {
    let lines = file.text.lines().count();
    (lines > max).then(|| Offence::at(file, max + 1, format!("{lines} lines, of at most {max}")))
}

/// A function fits on a screen, signature and closing brace included.
pub(super) fn a_function_is_short(files: &[File]) -> Vec<Offence> {
    let mut offences = Vec::new();
    for file in files {
        let code = blanked(&file.text);
        for (name, lines, first) in functions(&tokens(&code)) {
            if lines > FUNCTION_LINES_MAX {
                let what = format!("`{name}` has {lines} lines, of at most {FUNCTION_LINES_MAX}");
                offences.push(Offence::at(file, first, what));
            }
        }
    }
    offences
}

/// Name, number of lines and first line of every function that has a body.
fn functions<'a>(tokens: &[Token<'a>]) -> Vec<(&'a str, usize, usize)> {
    let named = |pair: &[Token<'_>]| pair[0].text == "fn" && pair[1].text != "(";
    let starts = tokens.windows(2).enumerate().filter(|(_, pair)| named(pair)).map(|(at, _)| at);
    starts
        .filter_map(|at| {
            let (name, first) = (tokens[at + 1].text, tokens[at].line);
            let last = last_line(&tokens[at..])?;
            Some((name, last - first + 1, first))
        })
        .collect()
}

/// Where the body of the function ends that `tokens` start with; `None` for a signature alone.
fn last_line(tokens: &[Token<'_>]) -> Option<usize> {
    let mut nested = 0_usize;
    let opens = |text| matches!(text, "(" | "[" | "{");
    let closes = |text| matches!(text, ")" | "]" | "}");
    let mut in_body = false;
    for token in tokens {
        match token.text {
            ";" if nested == 0 => return None,
            text if opens(text) => {
                in_body |= nested == 0 && text == "{";
                nested += 1;
            }
            text if closes(text) => {
                nested = nested.checked_sub(1)?;
                if nested == 0 && in_body {
                    return Some(token.line);
                }
            }
            _ => {}
        }
    }
    None
}

/// A module's file has the module's name, so that an editor's tabs differ.
pub(super) fn a_module_is_called_by_its_name(files: &[File]) -> Vec<Offence> {
    let unnamed = files.iter().filter(|file| file.path.ends_with("/mod.rs"));
    unnamed.map(|file| Offence::at(file, 1, "`name.rs` beside `name/`, no `mod.rs`")).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::planted, *};

    #[test]
    fn a_file_without_a_sentence_is_named() {
        for text in
            ["use std::fmt;\n", "//! Orders.\n", "// A plain comment.\n", "\n//! A line too late.\n", ""]
        {
            let found = planted(a_file_opens_with_a_sentence, "order/src/lib.rs", text);
            assert_eq!(found, ["order/src/lib.rs:1: opens with no `//!` sentence"], "{text:?}");
        }
        for text in ["//! Places orders here.\n", "//! Says so over\n//! two lines.\n//!\n//! - and a list\n"]
        {
            assert!(planted(a_file_opens_with_a_sentence, "order/src/lib.rs", text).is_empty(), "{text:?}");
        }
    }

    #[test]
    fn a_file_of_a_line_too_many_is_named() {
        let lines = |count| "x\n".repeat(count);
        assert_eq!(planted(main_is_short, "order/src/main.rs", &lines(41)).len(), 1);
        assert!(planted(main_is_short, "order/src/main.rs", &lines(40)).is_empty());
        assert!(planted(main_is_short, "order/src/lib.rs", &lines(41)).is_empty());
        let found = planted(a_file_is_short, "order/src/lib.rs", &lines(401));
        assert_eq!(found, ["order/src/lib.rs:401: 401 lines, of at most 400"]);
        assert!(planted(a_file_is_short, "order/src/lib.rs", &lines(400)).is_empty());
    }

    #[test]
    fn a_function_of_a_line_too_many_is_named() {
        let function = |lines: usize| {
            let body = "    f(\"}\"); // }\n".repeat(lines - 2);
            format!(
                "trait T {{\n    fn only(&self) -> [u8; 4];\n}}\nfn long<F>(f: fn(u8)) -> [u8; 2] {{\n{body}}}\n"
            )
        };
        let found = planted(a_function_is_short, "a/src/lib.rs", &function(71));
        assert_eq!(found, ["a/src/lib.rs:4: `long` has 71 lines, of at most 70"]);
        assert!(planted(a_function_is_short, "a/src/lib.rs", &function(70)).is_empty());
    }

    #[test]
    fn a_mod_rs_is_named() {
        assert_eq!(planted(a_module_is_called_by_its_name, "order/src/domain/mod.rs", "").len(), 1);
        assert!(planted(a_module_is_called_by_its_name, "order/src/domain.rs", "").is_empty());
    }
}
