//! stub
pub mod prices;
