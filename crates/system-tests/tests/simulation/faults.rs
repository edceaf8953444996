//! What can go wrong, and how often it does in a run.

use crate::random::Random;

/// Declares the kinds of fault with a range of rates for each.
macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident: $range:expr,)*) => {
        /// A kind of fault.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Fault { $($(#[$doc])* $name,)* }

        impl Fault {
            pub(crate) const ALL: &[Self] = &[$(Self::$name),*];

            /// How often in a thousand times it strikes: from this in mild weather to that in rough.
            fn rates(self) -> (u64, u64) {
                match self { $(Self::$name => $range),* }
            }
        }
    };
}

faults! {
    /// A store does not do what it is asked, and says so.
    StoreRefuses: (5, 80),
    /// A store does not do what it is asked, and does not answer.
    StoreForgets: (5, 60),
    /// A store does what it is asked, and does not answer.
    StoreAnswerLost: (5, 60),
    /// A store does not answer, and does what it is asked later.
    StoreLate: (5, 60),
    /// A store takes its time.
    StoreSlow: (5, 60),
    /// Nobody listens where Payment should be.
    CallRefused: (10, 300),
    /// A call of Payment is lost on its way.
    CallLost: (10, 150),
    /// A call of Payment is under way for long, perhaps for longer than its caller waits.
    CallDelayed: (10, 150),
    /// A call of Payment arrives once more, later.
    CallRepeated: (10, 150),
    /// An answer of Payment is lost on its way.
    CallAnswerLost: (10, 150),
    /// Payment is overloaded, or stopping, and refuses before it does anything.
    CallOverloaded: (10, 150),
    /// The calls between an Order and a Payment are lost for a while.
    Partition: (20, 150),
    /// An Order is killed.
    OrderCrash: (20, 150),
    /// An Order is killed right before, or after, a call of its store or of Payment has done its work.
    OrderCrashInCall: (1, 12),
    /// An Order is stopped: it takes no more requests, and ends what it began.
    OrderStop: (20, 100),
    /// A Payment is killed.
    PaymentCrash: (20, 150),
    /// A Payment is killed right before, or after, a call of its store has done its work.
    PaymentCrashInCall: (1, 25),
    /// A Payment is stopped.
    PaymentStop: (20, 100),
    /// The clock of an instance is set forwards or back, by up to hours.
    ClockJump: (20, 150),
    /// An instance draws an id that another one drew.
    IdRepeated: (5, 400),
    /// A customer leaves before there is an answer.
    HangUp: (20, 200),
    /// Somebody else charges the order, with another amount or for another user.
    Stray: (5, 60),
}

/// How often each kind strikes.
#[derive(Debug, Clone)]
pub(crate) struct Rates(Vec<u64>);

impl Rates {
    /// Nothing goes wrong but that customers leave.
    pub(crate) fn calm() -> Self {
        let rate = |fault: &Fault| if *fault == Fault::HangUp { 400 } else { 0 };
        Self(Fault::ALL.iter().map(rate).collect())
    }

    /// Some kinds of fault and not others, since those that are frequent keep rarer ones from happening.
    pub(crate) fn drawn(random: &mut Random) -> Self {
        let mut rate = |fault: &Fault| {
            let (mild, rough) = fault.rates();
            match random.within(0..=19) {
                0..=7 => 0,
                8..=18 => random.within(mild..=rough),
                // Far too often, so that it meets whatever else is rare.
                _ => (rough * 4).min(600),
            }
        };
        Self(Fault::ALL.iter().map(&mut rate).collect())
    }

    pub(crate) fn of(&self, fault: Fault) -> u64 {
        self.0[fault as usize]
    }
}
