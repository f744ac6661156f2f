//! Refused calls, gathered in memory and written together: a client that is refused a thousand times
//! a second must not keep the store busy.
