//! Reaching out: how every connection that the broker opens begins, for calls to providers and for
//! messages to users' webhooks.
//!
//! Users say where these go, and the broker stands inside the operator's network, so nothing reaches
//! out but through [`connect()`]. `origin.rs` says how an address is spelt, `address_guard.rs` which
//! ones lead back inside; what counts is the other end of the socket. No proxy of the environment has
//! a say. The gateway speaks on its connections itself; a webhook's are used by `post.rs`.

mod address_guard;
mod connect;
mod origin;
mod post;
mod tls;

pub(crate) use self::{
    connect::{ConnectError, Stream, connect},
    origin::{Origin, is_loopback, plain_url},
    post::{PostError, post},
    tls::{connector, public_roots},
};
