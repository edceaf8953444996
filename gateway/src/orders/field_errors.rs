//! Collects the errors of a request body.

use crate::{
    json::{Members, Value, pointer},
    limits::VIOLATIONS_MAX,
    problem::Violation,
};

/// The field of an error of the body as a whole.
const BODY: &str = "body";

/// An object of the request body.
#[derive(Debug, Clone, Copy)]
pub(super) enum JsonPath {
    Order,
    Item(usize),
}

/// A member of the contract.
pub(super) struct Member {
    /// Its name in the body.
    pub(super) name: &'static str,
    /// Its name in the Order contract.
    pub(super) field: &'static str,
    /// What it must be: completes a sentence that starts with its name.
    pub(super) accepted: fn() -> String,
}

/// The errors found so far, at most one more than a problem lists: [`Problem::invalid`](crate::problem)
/// shows that there are more. Further ones cost nothing.
#[derive(Debug, Default)]
pub(super) struct FieldErrors(Vec<Violation>);

impl JsonPath {
    fn pointer(self) -> String {
        match self {
            Self::Order => pointer::DOCUMENT.to_owned(),
            Self::Item(index) => format!("{}/order_items/{index}", pointer::DOCUMENT),
        }
    }

    fn field(self, member: &str) -> String {
        match self {
            Self::Order => member.to_owned(),
            Self::Item(index) => format!("order_items[{index}].{member}"),
        }
    }
}

impl FieldErrors {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn into_violations(self) -> Vec<Violation> {
        self.0
    }

    /// Adds an error of the body as a whole.
    pub(super) fn body(&mut self, detail: String) {
        self.add(|| Violation::new(BODY, Some(pointer::DOCUMENT.to_owned()), detail));
    }

    /// Adds an error of a whole item.
    pub(super) fn item(&mut self, index: usize, detail: &str) {
        self.add(|| {
            let pointer = JsonPath::Item(index).pointer();
            Violation::new(format!("order_items[{index}]"), Some(pointer), detail)
        });
    }

    /// Adds an error of a member of the object at `path`.
    pub(super) fn member(&mut self, path: JsonPath, member: &Member, detail: impl Into<String>) {
        self.add(|| {
            let pointer = pointer::member(&path.pointer(), member.name);
            Violation::new(path.field(member.field), Some(pointer), detail)
        });
    }

    /// The values of the `known` members of the object at `path`, the first of a duplicate one. Adds an error
    /// for each duplicate and each unknown member.
    pub(super) fn take_members<'a, const N: usize>(
        &mut self,
        path: JsonPath,
        known: [&Member; N],
        members: Members<'a>,
    ) -> [Option<Value<'a>>; N] {
        let mut values = [None; N];
        for (name, value) in members {
            match known.iter().position(|member| member.name == name) {
                Some(index) if values[index].is_none() => values[index] = Some(value),
                Some(index) => self.member(path, known[index], "must be given once"),
                None => self.add(|| {
                    let detail = format!("is not known here; known are {}", known.map(|m| m.name).join(", "));
                    let pointer = pointer::member(&path.pointer(), &name);
                    Violation::new(path.field(&name), Some(pointer), detail)
                }),
            }
        }
        values
    }

    /// Parses a required member. Adds the error of `parse`, or one for a missing member.
    pub(super) fn required<'a, T>(
        &mut self,
        path: JsonPath,
        member: &Member,
        value: Option<Value<'a>>,
        parse: impl FnOnce(Value<'a>) -> Result<T, String>,
    ) -> Option<T> {
        let Some(value) = value else {
            self.add(|| {
                let detail = format!("is missing; it {}", (member.accepted)());
                Violation::new(path.field(member.field), Some(path.pointer()), detail)
            });
            return None;
        };
        parse(value).map_err(|detail| self.member(path, member, detail)).ok()
    }

    fn add(&mut self, violation: impl FnOnce() -> Violation) {
        if self.0.len() <= VIOLATIONS_MAX {
            self.0.push(violation());
        }
    }
}
