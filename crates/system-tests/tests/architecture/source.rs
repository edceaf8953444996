//! Paths of a Rust source (`crate::a::B`, `use tonic::{Code, Status}`), read from its tokens.

use std::str::FromStr as _;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A path as it is written, for instance `["crate", "orders", "Key"]`, and its line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SourcePath {
    pub(super) segments: Vec<String>,
    pub(super) line: usize,
}

/// Every path of `text`, groups expanded, in code that is not `#[cfg(test)]`.
///
/// Comments, literals and doc comments have no paths. A single word is a path of one segment.
pub(super) fn paths(text: &str) -> Vec<SourcePath> {
    let tokens = TokenStream::from_str(text).expect("Rust source");
    let mut found = Vec::new();
    collect(&tokens.into_iter().collect::<Vec<_>>(), &[], &mut found);
    found
}

fn collect(tokens: &[TokenTree], prefix: &[String], found: &mut Vec<SourcePath>) {
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Ident(_) => at += path_at(&tokens[at..], prefix, found),
            TokenTree::Group(group) => {
                collect(&group.stream().into_iter().collect::<Vec<_>>(), &[], found);
                at += 1;
            }
            TokenTree::Punct(punct) if punct.as_char() == '#' && is_test_only(tokens.get(at + 1)) => {
                let ends = |token: &TokenTree| match token {
                    TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
                    TokenTree::Punct(punct) => punct.as_char() == ';',
                    _ => false,
                };
                at += tokens[at..].iter().position(ends).unwrap_or(tokens.len() - at) + 1;
            }
            _ => at += 1,
        }
    }
}

/// Reads the path that begins `tokens`; returns how many tokens it has.
fn path_at(tokens: &[TokenTree], prefix: &[String], found: &mut Vec<SourcePath>) -> usize {
    let mut segments = prefix.to_vec();
    let line = tokens[0].span().start().line;
    let mut at = 0;
    while let Some(TokenTree::Ident(ident)) = tokens.get(at) {
        segments.push(ident.to_string().trim_start_matches("r#").to_owned());
        at += 1;
        let is_colon = |at| matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
        if !(is_colon(at) && is_colon(at + 1)) {
            break;
        }
        at += 2;
        if let Some(TokenTree::Group(group)) = tokens.get(at)
            && group.delimiter() == Delimiter::Brace
        {
            collect(&group.stream().into_iter().collect::<Vec<_>>(), &segments, found);
            return at + 1;
        }
    }
    found.push(SourcePath { segments, line });
    at
}

/// Whether the attribute is `[cfg(test)]`.
fn is_test_only(attribute: Option<&TokenTree>) -> bool {
    attribute.is_some_and(|attribute| attribute.to_string().replace(' ', "").starts_with("[cfg(test)"))
}

#[test]
fn paths_are_read_from_code_alone() {
    let text = "//! crate::x\nuse a::{b::C, d::{self, E}};\n#[cfg(test)]\nmod tests { use z::Z; }\nfn f() { g!(crate::h) }";
    let found: Vec<String> =
        paths(text).iter().map(|path| format!("{}@{}", path.segments.join("::"), path.line)).collect();
    for expected in ["a::b::C@2", "a::d::self@2", "a::d::E@2", "crate::h@5"] {
        assert!(found.iter().any(|path| path == expected), "{expected} is not in {found:?}");
    }
    assert!(!found.iter().any(|path| path.contains("::x") || path.starts_with('z')), "{found:?}");
}
