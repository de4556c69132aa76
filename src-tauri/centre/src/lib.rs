//! The embedded contact centre.
