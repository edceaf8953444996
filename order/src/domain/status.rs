//! The status of an order.

/// The status of an order. PENDING and NOT_CHARGED orders may still change; the other statuses are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// The outcome of the charge is not known yet.
    Pending,
    /// Payment charged the customer. Final.
    Paid,
    /// Payment declined the charge. Final.
    Declined,
    /// No charge happened, and none is on its way. A request with the same key may reopen the order.
    NotCharged,
    /// The order was given up; Payment holds a tombstone that rejects any later charge. Final.
    Voided,
    /// A status that this program does not know; a newer one has written it. Never written.
    Unspecified,
}

impl Status {
    const ALL: [Self; 5] = [Self::Pending, Self::Paid, Self::Declined, Self::NotCharged, Self::Voided];

    /// The name in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Paid => "PAID",
            Self::Declined => "DECLINED",
            Self::NotCharged => "NOT_CHARGED",
            Self::Voided => "VOIDED",
            Self::Unspecified => "UNSPECIFIED",
        }
    }

    /// The status with this name in the database; [`Unspecified`](Self::Unspecified) for any other text.
    pub fn from_stored(name: &str) -> Self {
        Self::ALL.into_iter().find(|status| status.name() == name).unwrap_or(Self::Unspecified)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_round_trips_through_its_name() {
        for status in Status::ALL {
            assert_eq!(Status::from_stored(status.name()), status);
        }
        for unknown in ["paid", "REFUNDED", "", "UNSPECIFIED"] {
            assert_eq!(Status::from_stored(unknown), Status::Unspecified);
        }
    }
}
