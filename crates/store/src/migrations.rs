//! The schema's history, embedded: forward only, the same names for both engines.
