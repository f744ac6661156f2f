//! The clock that a user's days and months begin by.

use aipassport_domain::{audit::Happened, time};

use super::Refused;

/// The zone as the database of zones names it, and the audit word for having chosen it.
pub fn new_time_zone(entered: &str) -> Result<(String, Happened), Refused> {
    let time_zone = time::zone_name(entered).ok_or_else(|| {
        let text = format!("there is no time zone {entered:?}: write an IANA name like Europe/Berlin");
        Refused::field("time_zone", text)
    })?;
    let chosen = Happened::TimeZoneChanged {
        time_zone: time_zone.clone(),
    };
    Ok((time_zone, chosen))
}
