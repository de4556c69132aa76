//! The integration tests of the whole workspace, in one binary.

mod types;
