//! Chooses among a backend's localized messages by `Accept-Language` (RFC 9110, section 12.5.4; RFC 4647).

use http::HeaderValue;
use tonic_types::pb::LocalizedMessage;

use crate::field_list;

/// Language ranges considered of one `Accept-Language`. Clients list their preferred ranges first.
const RANGES_MAX: usize = 32;
/// Characters of a language tag (RFC 5646, section 4.4.1, requires support for 35).
const TAG_BYTES_MAX: usize = 35;

/// One range of `Accept-Language`.
struct Range<'a> {
    tag: &'a str,
    /// In thousandths.
    quality: u16,
}

/// The message that `accept` ranks highest, the earlier of two equal ones. `None` if `accept` is absent,
/// accepts none of them, or matches only by `*`: then the message that is not localized applies.
pub(super) fn best_match<'m>(
    messages: &'m [LocalizedMessage],
    accept: Option<&HeaderValue>,
) -> Option<&'m LocalizedMessage> {
    let ranges = parse(accept?.to_str().ok()?);
    let mut best: Option<(Rank, &LocalizedMessage)> = None;
    for message in messages {
        let Some(rank) = rank(&ranges, &message.locale) else { continue };
        if best.as_ref().is_none_or(|(highest, _)| rank > *highest) {
            best = Some((rank, message));
        }
    }
    best.map(|(_, message)| message)
}

/// Whether `tag` is a well-formed language tag, and thus a valid header value.
pub(super) fn is_tag(tag: &str) -> bool {
    let subtag =
        |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric());
    tag.len() <= TAG_BYTES_MAX && tag.split('-').all(subtag)
}

/// Orders messages by quality, then by the position of their range.
type Rank = (u16, std::cmp::Reverse<usize>);

/// Without invalid ranges and without `*`, which prefers no language (RFC 4647, section 3.4).
fn parse(header: &str) -> Vec<Range<'_>> {
    let ranges = field_list::weighted_line(header).map(|(tag, quality)| Range { tag, quality });
    ranges.take(RANGES_MAX).filter(|range| is_tag(range.tag)).collect()
}

/// The rank of a message in the language `tag`; `None` if the ranges do not accept it.
///
/// The most specific range that covers the tag decides, as in basic filtering (de covers de-AT). If none
/// covers it, a narrower range matches, as in lookup (de-AT matches de).
fn rank(ranges: &[Range<'_>], tag: &str) -> Option<Rank> {
    let ranked = |(index, range): (usize, &Range<'_>)| (range.quality, std::cmp::Reverse(index));
    let indexed = || ranges.iter().enumerate();
    let covering = indexed()
        .filter(|(_, range)| covers(range.tag, tag))
        .max_by_key(|(index, range)| (range.tag.len(), std::cmp::Reverse(*index)));
    let (quality, index) = match covering {
        Some(found) => ranked(found),
        None => indexed().filter(|(_, range)| covers(tag, range.tag)).map(ranked).max()?,
    };
    (quality > 0).then_some((quality, index))
}

/// Whether `tag` equals `range` or is a subtag of it.
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
        best_match(&messages, Some(&accept)).map(|message| message.locale.clone())
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
        for accept in ["", "en", "*", "de;q=0", "de-AT;q=0", "deu", "d", "de;q=2", "de;q=0.1234", ";,;"] {
            assert_eq!(chosen(accept, &["de"]), None, "{accept}");
        }
        assert_eq!(chosen("zh-TW", &["zh-CN"]), None);
        assert_eq!(best_match(&[LocalizedMessage::default()], None), None);
    }

    #[test]
    fn the_highest_quality_wins_then_the_earlier_range() {
        let both = ["de", "fr-CH"];
        assert_eq!(chosen("de;q=0.5, fr;q=0.8", &both).as_deref(), Some("fr-CH"));
        assert_eq!(chosen("fr, de", &both).as_deref(), Some("fr-CH"));
        assert_eq!(chosen("de, fr", &both).as_deref(), Some("de"));
        assert_eq!(chosen("de", &["de-AT", "de-CH"]).as_deref(), Some("de-AT"));
    }

    #[test]
    fn the_most_specific_range_decides() {
        assert_eq!(chosen("fr;q=0, fr-CH", &["fr-CH"]).as_deref(), Some("fr-CH"));
        assert_eq!(chosen("fr, fr-CH;q=0", &["fr-CH"]), None);
        assert_eq!(chosen("fr;q=0, fr-CH", &["fr"]), None);
    }

    #[test]
    fn a_tag_is_a_valid_header_value() {
        assert!(["de", "de-CH-1996", "zh-Hant-TW", "i"].iter().all(|tag| is_tag(tag)));
        for bad in ["", "-", "de-", "de\r\nX: y", "de_DE", "verylongtag", "d é", &"a-".repeat(20), "*"] {
            assert!(!is_tag(bad), "{bad:?}");
        }
    }
}
