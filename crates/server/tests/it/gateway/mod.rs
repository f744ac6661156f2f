//! The gateway, as clients and providers see it.

mod answers;
mod app_keys;
mod audio;
mod call;
mod cohere;
mod credentials;
mod embeddings;
mod face;
mod faults;
mod gemini;
mod images;
mod limits;
mod media_bill;
mod mistral;
mod own_grant;
mod requests;
mod revocation;
mod self_hosted;
mod settlement;
mod stored_state;
mod uploads;
mod upstreams;
mod used_up;
