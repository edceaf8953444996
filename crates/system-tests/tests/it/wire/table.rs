//! The tables of requests.
//!
//! `#` begins a line with a topic, `=` one with the rule of the cases below it. Any other line is a case, its
//! columns separated by ` | `:
//!
//! 1. its name;
//! 2. the bytes to send, with the escapes `\r`, `\n`, `\t`, `\\` and `\xNN`, and in braces:
//!    - `{json}`: a valid order of 89 (0x59) bytes, by a user that no other case has;
//!    - `{user}`: this user;
//!    - `{chunk}`: the order as one chunk, without the last chunk;
//!    - `{post}`: the head of a `POST /orders` of JSON, without its end and without the body's length;
//!    - `{order}`: a whole `POST /orders` of 181 bytes;
//!    - `{tag}`, `{opaque}`: the entity tag of `/openapi.json`, and the same without `W/`;
//!    - `{continue}`: waits for `100 Continue`;
//!    - `{5 of x}`: `x` five times;
//! 3. the status of each response, or several separated by commas where the rule leaves the choice; `h`
//!    follows it in the response to a HEAD; `-` for none;
//! 4. what follows the last response: `open` (the connection serves another request), `closed` (by the
//!    gateway), `any` of the two; `half`: closed, the client having shut down its side after its last byte;
//!    `silent`: the response comes at once, although the client sends nothing more;
//! 5. optional: fields of the last response, separated by `; `: `name: part of its value` or `no name`.

use super::exchange::{Case, End, Expected, Part};

/// The order of `{json}`; `USERID` stands for the user.
pub(super) const ORDER: &str =
    r#"{"user_id":USERID,"order_items":[{"product_code":"sku1","unit_price":0.12,"quantity":1}]}"#;
const POST: &str = "POST /orders HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\n";

/// The values that differ between runs.
pub(super) struct Values {
    /// The entity tag of `/openapi.json`.
    pub(super) tag: String,
    /// The user of the first case; the next one has the next number.
    pub(super) first_user: u32,
}

/// The cases of a table.
///
/// # Panics
///
/// A line is malformed.
pub(super) fn cases(table: &str, values: &Values) -> Vec<Case> {
    let (mut rule, mut cases) = ("", Vec::new());
    for line in table.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.strip_prefix("= ") {
            Some(next) => rule = next,
            None => {
                let user = values.first_user + u32::try_from(cases.len()).expect("few cases");
                cases.push(case(line, rule, &values.tag, user));
            }
        }
    }
    cases
}

fn case(line: &str, rule: &str, tag: &str, user: u32) -> Case {
    let columns: Vec<&str> = line.split(" | ").collect();
    let ([name, bytes, responses, end] | [name, bytes, responses, end, _]) = columns[..] else {
        panic!("a case has four or five columns: {line}");
    };
    let mut request = Request { parts: vec![Vec::new()], tag, user };
    request.push(bytes);
    let mut parts: Vec<Part> = Vec::new();
    for bytes in request.parts {
        parts.extend((!parts.is_empty()).then_some(Part::AwaitContinue));
        parts.push(Part::Send(bytes));
    }
    Case {
        name: name.to_owned(),
        rule: rule.to_owned(),
        user,
        parts,
        expected: responses.split(' ').filter(|response| *response != "-").map(expected).collect(),
        end: end_of(end),
        fields: columns.get(4).map_or(Vec::new(), |fields| {
            fields.split("; ").map(|field| field.replace("{tag}", tag)).collect()
        }),
    }
}

fn expected(text: &str) -> Expected {
    let (statuses, to_head) = text.strip_suffix('h').map_or((text, false), |statuses| (statuses, true));
    let statuses = statuses.split(',').map(|status| status.parse().expect("a status")).collect();
    Expected { statuses, to_head }
}

fn end_of(text: &str) -> End {
    match text {
        "open" => End::Open,
        "closed" => End::Closed,
        "any" => End::Any,
        "half" => End::HalfClosed,
        "silent" => End::Silent,
        _ => panic!("no such end: {text}"),
    }
}

/// A request as it is read from the table.
struct Request<'a> {
    /// What is sent; the client waits for `100 Continue` between two of them.
    parts: Vec<Vec<u8>>,
    tag: &'a str,
    user: u32,
}

impl Request<'_> {
    /// Appends the bytes that `text` stands for.
    fn push(&mut self, text: &str) {
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            rest = match first {
                '{' => {
                    let end = closing_brace(rest);
                    self.push_named(&rest[1..end]);
                    &rest[end + 1..]
                }
                '\\' => self.push_escape(&rest[1..]),
                _ => {
                    self.last().push(u8::try_from(first).expect("ASCII"));
                    &rest[1..]
                }
            };
        }
    }

    fn push_named(&mut self, name: &str) {
        let order = ORDER.replace("USERID", &self.user.to_string());
        let text = match name {
            "json" => order,
            "user" => self.user.to_string(),
            "chunk" => format!("{:x}\r\n{order}\r\n", order.len()),
            "post" => POST.to_owned(),
            "order" => format!("{POST}Content-Length: {}\r\n\r\n{order}", order.len()),
            "tag" => self.tag.to_owned(),
            "opaque" => self.tag.trim_start_matches("W/").to_owned(),
            "continue" => return self.parts.push(Vec::new()),
            _ => {
                let (times, repeated) = name.split_once(" of ").expect("a number of times");
                let times: usize = times.parse().expect("a number");
                let start = self.last().len();
                self.push(repeated);
                let once = self.last().split_off(start);
                return self.last().extend(once.repeat(times));
            }
        };
        self.last().extend_from_slice(text.as_bytes());
    }

    /// Appends the byte of the escape that follows a backslash; returns the rest.
    fn push_escape<'a>(&mut self, text: &'a str) -> &'a str {
        let (byte, length) = match text.as_bytes() {
            [b'r', ..] => (b'\r', 1),
            [b'n', ..] => (b'\n', 1),
            [b't', ..] => (b'\t', 1),
            [b'\\', ..] => (b'\\', 1),
            [b'x', ..] => (u8::from_str_radix(&text[1..3], 16).expect("two digits"), 3),
            _ => panic!("no such escape: {text}"),
        };
        self.last().push(byte);
        &text[length..]
    }

    fn last(&mut self) -> &mut Vec<u8> {
        self.parts.last_mut().expect("never empty")
    }
}

/// The position of the brace that closes the first one of `text`.
fn closing_brace(text: &str) -> usize {
    let mut depth = 0;
    for (position, character) in text.char_indices() {
        depth += match character {
            '{' => 1,
            '}' => -1,
            _ => 0,
        };
        if depth == 0 {
            return position;
        }
    }
    panic!("an open brace: {text}")
}

#[test]
fn lengths_in_the_tables_are_those_of_the_order() {
    let mut request = Request { parts: vec![Vec::new()], tag: "", user: 100_000 };
    request.push("{json}");
    assert_eq!(request.last().len(), 0x59);
    request.push("{order}");
    assert_eq!(request.last().len(), 89 + 181);
}
