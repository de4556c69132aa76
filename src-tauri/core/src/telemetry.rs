//! The events of the tracking table.
