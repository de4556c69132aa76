//! The loopback server for web pages. A stub: the crate holds its place in the layout until the bridge is built.
