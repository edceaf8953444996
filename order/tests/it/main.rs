//! The Order service from outside: its store by contract, its application over fakes, its server over sockets.

mod contract;
mod fake;
mod samples;
mod stores;
