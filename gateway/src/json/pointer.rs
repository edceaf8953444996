//! JSON pointers as URI fragments (RFC 6901, sections 3 and 6).

/// The pointer of the whole document.
pub(crate) const DOCUMENT: &str = "#";

/// The pointer of the member `name` of the object at `parent`.
pub(crate) fn member(parent: &str, name: &str) -> String {
    let mut pointer = String::with_capacity(parent.len() + name.len() + 1);
    pointer.push_str(parent);
    pointer.push('/');
    for character in name.chars() {
        match character {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            plain if is_fragment(plain) => pointer.push(plain),
            other => push_percent_encoded(&mut pointer, other),
        }
    }
    pointer
}

/// Whether a URI fragment may contain the character unescaped (RFC 3986, section 3.5).
fn is_fragment(character: char) -> bool {
    character.is_ascii_alphanumeric() || "-._!$&'()*+,;=:@?".contains(character)
}

fn push_percent_encoded(text: &mut String, character: char) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in character.encode_utf8(&mut [0; 4]).bytes() {
        text.push('%');
        text.push(char::from(HEX[usize::from(byte >> 4)]));
        text.push(char::from(HEX[usize::from(byte & 15)]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_escaped_for_the_pointer_then_for_the_uri() {
        // The examples of RFC 6901, section 6, and a character of more than one byte.
        for (name, pointer) in [
            ("foo", "#/foo"),
            ("", "#/"),
            ("a/b", "#/a~1b"),
            ("c%d", "#/c%25d"),
            ("e^f", "#/e%5Ef"),
            ("g|h", "#/g%7Ch"),
            ("i\\j", "#/i%5Cj"),
            ("k\"l", "#/k%22l"),
            (" ", "#/%20"),
            ("m~n", "#/m~0n"),
            ("ä", "#/%C3%A4"),
        ] {
            assert_eq!(member(DOCUMENT, name), pointer);
        }
    }

    #[test]
    fn pointers_nest() {
        assert_eq!(member("#/order_items/0", "unit_price"), "#/order_items/0/unit_price");
    }
}
