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
        }
    }

    /// The status with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_round_trips_through_its_name() {
        for status in Status::ALL {
            assert_eq!(Status::from_name(status.name()), Some(status));
        }
        assert_eq!(Status::from_name("paid"), None);
    }
}
