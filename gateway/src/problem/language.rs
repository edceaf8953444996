//! Which of a backend's localized messages the caller can read (RFC 9110, section 12.5.4; RFC 4647).

use http::HeaderValue;
use tonic_types::pb::LocalizedMessage;

/// Language ranges of one `Accept-Language` that are looked at; the rest are the caller's least liked.
const RANGES_MAX: usize = 32;
/// Characters of a language tag (RFC 5646, section 4.4.1, asks for no more than 35 to be supported).
const TAG_BYTES_MAX: usize = 35;

/// One range of `Accept-Language`; its quality is in thousandths.
struct Range<'a> {
    tag: &'a str,
    quality: u16,
}

/// The message that `accept` likes best, the earlier of two that it likes the same; `None` where it likes
/// none, says nothing, or takes anything: for that there is the message that is not localized.
pub(super) fn choose<'m>(
    messages: &'m [LocalizedMessage],
    accept: Option<&HeaderValue>,
) -> Option<&'m LocalizedMessage> {
    let ranges = parse(accept?.to_str().ok()?);
    let mut best: Option<(Rank, &LocalizedMessage)> = None;
    for message in messages {
        let Some(rank) = rank(&ranges, &message.locale) else { continue };
        if best.as_ref().is_none_or(|(there, _)| rank > *there) {
            best = Some((rank, message));
        }
    }
    best.map(|(_, message)| message)
}

/// Whether `tag` is a well-formed language tag; it then has nothing in it that a header cannot hold.
pub(super) fn is_tag(tag: &str) -> bool {
    let subtag =
        |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric());
    tag.len() <= TAG_BYTES_MAX && tag.split('-').all(subtag)
}

/// How well a message is liked: by quality first, then by how early its range stands.
type Rank = (u16, std::cmp::Reverse<usize>);

fn parse(header: &str) -> Vec<Range<'_>> {
    header.split(',').take(RANGES_MAX).filter_map(parse_range).collect()
}

/// `*` says nothing about which language is best, and is passed over (RFC 4647, section 3.4).
fn parse_range(element: &str) -> Option<Range<'_>> {
    let (tag, parameter) = match element.split_once(';') {
        Some((tag, parameter)) => (tag.trim(), Some(parameter.trim())),
        None => (element.trim(), None),
    };
    let quality = match parameter {
        None => 1000,
        Some(text) => parse_quality(text.strip_prefix("q=").or_else(|| text.strip_prefix("Q="))?)?,
    };
    is_tag(tag).then_some(Range { tag, quality })
}

/// A qvalue (RFC 9110, section 12.4.2) in thousandths: 0 or 1 and at most three decimals.
fn parse_quality(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let thousandths: u16 = format!("{decimals:0<3}").parse().ok()?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1000),
        _ => None,
    }
}

/// How well a message in the language `tag` is liked, `None` for not at all.
///
/// The most specific range that covers the tag decides (de covers de-AT), as in basic filtering; where none
/// does, a range that covers it when shortened from its end (de-AT for de), as in lookup.
fn rank(ranges: &[Range<'_>], tag: &str) -> Option<Rank> {
    let ranked = |(place, range): (usize, &Range<'_>)| (range.quality, std::cmp::Reverse(place));
    let places = || ranges.iter().enumerate();
    let covering = places()
        .filter(|(_, range)| covers(range.tag, tag))
        .max_by_key(|(place, range)| (range.tag.len(), std::cmp::Reverse(*place)));
    let (quality, place) = match covering {
        Some(found) => ranked(found),
        None => places().filter(|(_, range)| covers(tag, range.tag)).map(ranked).max()?,
    };
    (quality > 0).then_some((quality, place))
}

/// Whether `tag` is `range`, or a narrower form of it.
fn covers(range: &str, tag: &str) -> bool {
    let Some((head, rest)) = tag.split_at_checked(range.len()) else { return false };
    head.eq_ignore_ascii_case(range) && (rest.is_empty() || rest.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(accept: &str, locales: &[&str]) -> Option<String> {
        let messages: Vec<_> = locales
            .iter()
            .map(|locale| LocalizedMessage { locale: (*locale).to_owned(), message: String::new() })
            .collect();
        let accept = HeaderValue::from_str(accept).unwrap();
        choose(&messages, Some(&accept)).map(|message| message.locale.clone())
    }

    #[test]
    fn a_message_in_an_accepted_language_is_chosen() {
        for accept in
            ["de", "DE", "de-AT", "de-at, en;q=0.5", "fr, de;q=0.1", "de;q=0.001", "fr;q=0,de;q=1.000"]
        {
            assert_eq!(chosen(accept, &["de"]).as_deref(), Some("de"), "{accept}");
        }
        assert_eq!(chosen("de", &["de-AT"]).as_deref(), Some("de-AT"), "a range covers narrower tags");
    }

    #[test]
    fn a_message_in_no_accepted_language_is_not_chosen() {
        for accept in
            ["", "en", "*", "de;q=0", "de-AT;q=0", "deu", "d", "de;q=2", "de;q=0.1234", "de;level=1", ";,;"]
        {
            assert_eq!(chosen(accept, &["de"]), None, "{accept}");
        }
        assert_eq!(chosen("zh-TW", &["zh-CN"]), None);
        assert_eq!(choose(&[LocalizedMessage::default()], None), None);
    }

    #[test]
    fn the_highest_quality_wins_and_then_the_earlier_range() {
        let both = ["de", "fr-CH"];
        assert_eq!(chosen("de;q=0.5, fr;q=0.8", &both).as_deref(), Some("fr-CH"));
        assert_eq!(chosen("fr, de", &both).as_deref(), Some("fr-CH"));
        assert_eq!(chosen("de, fr", &both).as_deref(), Some("de"));
        assert_eq!(chosen("de", &["de-AT", "de-CH"]).as_deref(), Some("de-AT"));
    }

    #[test]
    fn the_most_specific_range_decides_about_a_tag() {
        assert_eq!(chosen("fr;q=0, fr-CH", &["fr-CH"]).as_deref(), Some("fr-CH"));
        assert_eq!(chosen("fr, fr-CH;q=0", &["fr-CH"]), None);
        assert_eq!(chosen("fr;q=0, fr-CH", &["fr"]), None);
    }

    #[test]
    fn only_what_a_header_can_hold_is_a_tag() {
        assert!(["de", "de-CH-1996", "zh-Hant-TW", "i"].iter().all(|tag| is_tag(tag)));
        for bad in ["", "-", "de-", "de\r\nX: y", "de_DE", "verylongtag", "d é", &"a-".repeat(20), "*"] {
            assert!(!is_tag(bad), "{bad:?}");
        }
    }
}
