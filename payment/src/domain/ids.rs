//! Ids: numbers above 0.

use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(i64);

        impl $name {
            /// The id, if `id` is above 0.
            pub fn new(id: i64) -> Option<Self> {
                (id > 0).then_some(Self(id))
            }

            /// The number.
            pub fn get(self) -> i64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// A customer.
    UserId
}
id! {
    /// An order: the key of a payment.
    OrderId
}
id! {
    /// A payment.
    PaymentId
}
id! {
    /// The bill of a charge.
    BillId
}
id! {
    /// A change of a credit limit.
    ChangeId
}
