//! The gateway, as clients and providers see it.

mod answers;
mod app_keys;

mod call;
mod cohere;
mod credentials;
mod face;
mod faults;
mod gemini;
mod limits;
mod mistral;
mod own_grant;
mod requests;
mod revocation;
mod settlement;
mod upstreams;
