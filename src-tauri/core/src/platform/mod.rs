//! One file a platform: what to send to it and what its answers mean.
