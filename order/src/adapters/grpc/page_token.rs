//! Page tokens.

use std::{fmt, str::FromStr};

use crate::domain::{OrderId, UserId};

/// The start of the next page, for the user whose orders it lists. Opaque to clients (AIP-158).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PageToken {
    pub(super) user: UserId,
    pub(super) before: OrderId,
}

impl fmt::Display for PageToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", self.user.get(), self.before.get())
    }
}

impl FromStr for PageToken {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (user, before) = text.split_at_checked(16).filter(|(_, before)| before.len() == 16).ok_or(())?;
        let number = |hex: &str| i64::from_str_radix(hex, 16).map_err(drop);
        let token = Self {
            user: UserId::new(number(user)?).ok_or(())?,
            before: OrderId::new(number(before)?).ok_or(())?,
        };
        // Each page has one token: rejects signs and capitals.
        if token.to_string() == text { Ok(token) } else { Err(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_generated_tokens_are_accepted() {
        let token = PageToken { user: UserId::new(1).unwrap(), before: OrderId::new(2).unwrap() };
        assert_eq!(token.to_string().parse(), Ok(token));
        for bad in
            ["", "1", "+000000000000001000000000000000 2", &"0".repeat(32), &"F".repeat(32), &"é".repeat(16)]
        {
            assert_eq!(bad.parse::<PageToken>(), Err(()), "{bad}");
        }
    }
}
