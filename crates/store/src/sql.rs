//! Running statements on either engine.
