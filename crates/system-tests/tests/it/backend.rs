//! Fakes of the Order service: a server of the generated code, one with any HTTP/2 response, and
//! one that writes HTTP/2 frames.

pub(crate) mod frames;
pub(crate) mod http2;
pub(crate) mod scripted;
