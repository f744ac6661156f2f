//! The authorization server against the RFCs it follows, one module each.

mod rfc6749;
mod rfc7009;
mod rfc7636;
mod rfc7662;
mod rfc8414;
mod rfc8707;
mod rfc9207;
mod rfc9396;
mod rfc9700;
