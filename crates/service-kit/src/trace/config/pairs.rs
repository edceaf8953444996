//! Lists of `name=value`, separated by commas, as OpenTelemetry's variables hold them.

/// Parses a list in the syntax of W3C Baggage, without properties.
pub(super) fn parse(text: &str) -> Option<Vec<(String, String)>> {
    let members = text.split(',').map(str::trim).filter(|member| !member.is_empty());
    members
        .map(|member| {
            let (name, value) = member.split_once('=')?;
            let name = name.trim();
            (!name.is_empty()).then_some((name.to_owned(), decode(value.trim())?))
        })
        .collect()
}

/// Decodes a percent-encoded value; `None` for invalid escapes or UTF-8.
fn decode(text: &str) -> Option<String> {
    let (mut bytes, mut decoded) = (text.bytes(), Vec::new());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            plain => plain,
        });
    }
    String::from_utf8(decoded).ok()
}
