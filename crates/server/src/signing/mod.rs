//! stub
/// stub
pub struct SigningKeys;
