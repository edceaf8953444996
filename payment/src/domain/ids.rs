//! Who and what is told apart by a number above 0.

use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(i64);

        impl $name {
            /// The id, if it is above 0.
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
    /// What is paid for: the key of a payment.
    OrderId
}
id! {
    /// A record of what became of an order's charge.
    PaymentId
}
id! {
    /// The bill that a charge is on.
    BillId
}
id! {
    /// A change of an account by an operator.
    ChangeId
}
