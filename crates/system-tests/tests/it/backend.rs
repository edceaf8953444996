//! Who plays the Order service, from the most honest to the least: a server of the generated code, one that
//! answers any HTTP/2, and one that writes frames by hand.

pub(crate) mod frames;
pub(crate) mod http2;
pub(crate) mod scripted;
