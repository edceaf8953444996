//! The kinds of fault, and their rates in a run.

use system_tests::rng::Rng;

/// Declares the kinds of fault, each with its range of rates.
macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident: $range:expr,)*) => {
        /// A kind of fault.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Fault { $($(#[$doc])* $name,)* }

        impl Fault {
            pub(crate) const ALL: &[Self] = &[$(Self::$name),*];

            /// The lowest and the highest rate, per mille.
            fn rates(self) -> (u64, u64) {
                match self { $(Self::$name => $range),* }
            }
        }
    };
}

faults! {
    /// A store call fails, and the error says that nothing was done.
    StoreRefuses: (5, 80),
    /// A store call does nothing, and its outcome is unknown.
    StoreCallLost: (5, 60),
    /// A store call succeeds, and its outcome is unknown.
    StoreReplyLost: (5, 60),
    /// A store call succeeds after its caller got an unknown outcome.
    StoreLate: (5, 60),
    /// A store call is slow.
    StoreSlow: (5, 60),
    /// Payment refuses the connection.
    CallRefused: (10, 300),
    /// A call of Payment is lost.
    CallLost: (10, 150),
    /// A call of Payment is delayed, perhaps for longer than its caller's timeout.
    CallDelayed: (10, 150),
    /// A call of Payment is delivered twice.
    CallRepeated: (10, 150),
    /// The reply of a call of Payment is lost.
    CallReplyLost: (10, 150),
    /// Payment is overloaded or shutting down, and rejects the call before it has an effect.
    CallOverloaded: (10, 150),
    /// All calls from an Order to a Payment are lost for a while.
    Partition: (20, 150),
    /// An Order is killed.
    OrderCrash: (20, 150),
    /// An Order is killed directly before or after a call of its store or of Payment takes effect.
    OrderCrashInCall: (1, 12),
    /// An Order shuts down gracefully.
    OrderStop: (20, 100),
    /// A Payment is killed.
    PaymentCrash: (20, 150),
    /// A Payment is killed directly before or after a call of its store takes effect.
    PaymentCrashInCall: (1, 25),
    /// A Payment shuts down gracefully.
    PaymentStop: (20, 100),
    /// The wall clock of an instance jumps, by up to six hours.
    ClockJump: (20, 150),
    /// An instance generates an id that another one has generated.
    IdRepeated: (5, 400),
    /// A client disconnects before the response.
    Disconnect: (20, 200),
    /// Another caller charges the order, with another amount or another user.
    ConflictingCharge: (5, 60),
}

/// The rate of each kind, per mille.
#[derive(Debug, Clone)]
pub(crate) struct Rates(Vec<u64>);

impl Rates {
    /// No faults, except clients that disconnect.
    pub(crate) fn fault_free() -> Self {
        let rate = |fault: &Fault| if *fault == Fault::Disconnect { 400 } else { 0 };
        Self(Fault::ALL.iter().map(rate).collect())
    }

    /// A run has some kinds of fault only: frequent ones would prevent rarer ones.
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let mut rate = |fault: &Fault| {
            let (lowest, highest) = fault.rates();
            match rng.in_range(0..=19) {
                0..=7 => 0,
                8..=18 => rng.in_range(lowest..=highest),
                // Very often, so that it coincides with rare events.
                _ => (highest * 4).min(600),
            }
        };
        Self(Fault::ALL.iter().map(&mut rate).collect())
    }

    pub(crate) fn of(&self, fault: Fault) -> u64 {
        self.0[fault as usize]
    }
}
