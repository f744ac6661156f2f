//! The gateway, as clients and providers see it.

mod call;
