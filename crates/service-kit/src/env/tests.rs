//! Tests of reading variables.

use super::*;

const PORT: Variable = Variable {
    name: "PORT",
    kind: Kind::Number { from: 0, to: 65_535, unit: "" },
    when_absent: WhenAbsent::Required,
    meaning: "A port.",
};
const KEY: Variable = Variable {
    name: "KEY",
    kind: Kind::Secret("a number"),
    when_absent: WhenAbsent::Required,
    meaning: "A key.",
};
const EXTRA: Variable = Variable {
    name: "EXTRA",
    kind: Kind::Number { from: 1, to: 9, unit: "" },
    when_absent: WhenAbsent::DefaultNumber(5),
    meaning: "A number.",
};

fn read(vars: &Vars) -> Result<(u16, u16, u8), EnvErrors> {
    let mut reader = Reader::new(vars, &[&[&PORT, &KEY], &[&EXTRA]]);
    let port = reader.number(&PORT);
    let key = reader.value(&KEY);
    let extra = reader.number(&EXTRA);
    reader.finish(port.zip(key).zip(extra).map(|((port, key), extra)| (port, key, extra)))
}

#[test]
fn every_missing_variable_gets_a_line() {
    let errors = read(&Vars::from_iter([("PORT", "")])).unwrap_err().to_string();
    assert_eq!(errors, "PORT environment variable is missing.\nKEY environment variable is missing.");
}

#[test]
fn an_unparsable_value_is_shown_unless_it_is_a_secret() {
    let vars = Vars::from_iter([("PORT", "http"), ("KEY", "hunter2"), ("EXTRA", "10")]);
    let errors = read(&vars).unwrap_err().to_string();
    let port =
        "PORT environment variable is invalid: found \"http\"; accepted: a whole number from 0 to 65535.";
    let extra = "EXTRA environment variable is invalid: found \"10\"; accepted: a whole number from 1 to 9.";
    assert!(errors.contains(port) && errors.contains(extra), "{errors}");
    assert!(errors.contains("KEY environment variable is invalid: found a value that is not shown"));
    assert!(!errors.contains("hunter2"));
    let errors = read(&Vars::from_iter([("PORT", "http://user:hunter2@host:1"), ("KEY", "2")])).unwrap_err();
    assert!(!errors.to_string().contains("hunter2"));
}

#[test]
fn white_space_at_an_end_and_line_breaks_in_secrets_are_faults() {
    const NAME: Variable = Variable {
        name: "NAME",
        kind: Kind::Text("a name"),
        when_absent: WhenAbsent::Required,
        meaning: "A name.",
    };
    const SECRET: Variable = Variable { name: "SECRET", kind: Kind::Secret("a text"), ..NAME };
    let fault = |name: &str, value: &str| {
        let vars = Vars::from_iter([("NAME", "a"), ("SECRET", "b"), (name, value)]);
        let mut reader = Reader::new(&vars, &[&[&NAME, &SECRET]]);
        let values = reader.value::<String>(&NAME).zip(reader.value::<String>(&SECRET));
        reader.finish(values).err().map(|errors| errors.to_string()).unwrap_or_default()
    };
    for name in ["NAME", "SECRET"] {
        for value in [" hunter2", "hunter2 ", "hunter2\n", "\thunter2", "hunter2\r", "hunter2\u{a0}"] {
            let text = fault(name, value);
            assert!(text.contains("begins or ends with white space"), "{name}={value:?}: {text}");
            assert!(text.starts_with(name) && !text.contains("hunter2"), "{text}");
        }
    }
    assert!(fault("SECRET", "hunter\n2").contains("line break"));
    for (name, value) in [("NAME", "a, b"), ("NAME", "{\"a\": 1}\n"), ("SECRET", "a b")] {
        assert_eq!(fault(name, value), "", "{name}={value:?}");
    }
}

#[test]
fn absent_variables_have_their_defaults() {
    assert_eq!(read(&Vars::from_iter([("PORT", "1"), ("KEY", "2")])), Ok((1, 2, 5)));
    assert_eq!(read(&Vars::from_iter([("PORT", "1"), ("KEY", "2"), ("EXTRA", "6")])), Ok((1, 2, 6)));
}

#[test]
#[should_panic(expected = "KEY is missing in the list of declared variables")]
fn an_undeclared_variable_cannot_be_read() {
    let vars = Vars::default();
    let _: Option<u16> = Reader::new(&vars, &[&[&PORT]]).value(&KEY);
}
