//! The fuzz targets whose bodies are not the core's.

pub mod websocket;
