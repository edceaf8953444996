//! What is wrong with a request, collected until all of it is known.

use crate::{
    json::{Members, Value, pointer},
    limits::VIOLATIONS_MAX,
    problem::Violation,
};

/// The field of what is wrong with the body as a whole.
const BODY: &str = "body";

/// An object of the request body.
#[derive(Debug, Clone, Copy)]
pub(super) enum JsonPath {
    Order,
    Item(usize),
}

/// A member that the contract knows.
pub(super) struct Member {
    /// Its name in the body.
    pub(super) name: &'static str,
    /// Its name in the Order contract.
    pub(super) field: &'static str,
    /// What it must be, to complete a sentence that begins with its name.
    pub(super) accepted: fn() -> String,
}

/// The offending members found so far.
#[derive(Debug, Default)]
pub(super) struct FieldErrors {
    found: Vec<Violation>,
    omitted: usize,
}

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
        self.found.is_empty()
    }

    /// The faults found, and a last one that counts those beyond [`VIOLATIONS_MAX`].
    pub(super) fn into_violations(mut self) -> Vec<Violation> {
        if self.omitted > 0 {
            let detail = format!("has {} more offending members than are named here", self.omitted);
            self.found.push(violation(BODY.to_owned(), Some(pointer::DOCUMENT.to_owned()), detail));
        }
        self.found
    }

    /// The body as a whole is wrong.
    pub(super) fn body(&mut self, detail: String) {
        self.add(BODY.to_owned(), pointer::DOCUMENT.to_owned(), detail);
    }

    /// A whole item is wrong.
    pub(super) fn item(&mut self, index: usize, detail: &str) {
        self.add(format!("order_items[{index}]"), JsonPath::Item(index).pointer(), detail.to_owned());
    }

    /// The member of the object at `place` is wrong.
    pub(super) fn member(&mut self, place: JsonPath, member: &Member, detail: String) {
        self.add(place.field(member.field), pointer::member(&place.pointer(), member.name), detail);
    }

    /// The values of the `known` members of the object at `place`; of a duplicate one the first. What else
    /// the object holds is a fault.
    pub(super) fn take_members<'a, const N: usize>(
        &mut self,
        place: JsonPath,
        known: [&Member; N],
        members: Members<'a>,
    ) -> [Option<Value<'a>>; N] {
        let mut values = [None; N];
        for (name, value) in members {
            match known.iter().position(|member| member.name == name) {
                Some(index) if values[index].is_none() => values[index] = Some(value),
                Some(index) => self.member(place, known[index], "must be given once".to_owned()),
                None => {
                    let detail = format!("is not known here; known are {}", known.map(|m| m.name).join(", "));
                    self.add(place.field(&name), pointer::member(&place.pointer(), &name), detail);
                }
            }
        }
        values
    }

    /// What `read` makes of a member that must be there. Its fault is what `read` says, or that it is missing.
    pub(super) fn required<'a, T>(
        &mut self,
        place: JsonPath,
        member: &Member,
        value: Option<Value<'a>>,
        read: impl FnOnce(Value<'a>) -> Result<T, String>,
    ) -> Option<T> {
        let Some(value) = value else {
            let detail = format!("is missing; it {}", (member.accepted)());
            self.add(place.field(member.field), place.pointer(), detail);
            return None;
        };
        read(value).map_err(|detail| self.member(place, member, detail)).ok()
    }

    fn add(&mut self, field: String, pointer: String, detail: String) {
        match self.found.len() < VIOLATIONS_MAX {
            true => self.found.push(violation(field, Some(pointer), detail)),
            false => self.omitted += 1,
        }
    }
}

/// A violation without a reason of its own.
pub(super) fn violation(field: String, pointer: Option<String>, detail: String) -> Violation {
    Violation { field, pointer, detail, reason: None }
}
