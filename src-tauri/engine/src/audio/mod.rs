//! Sound devices: listing, choosing, opening, watching.

/// One sound device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Stable across restarts.
    pub id: String,
    /// For people.
    pub name: String,
}

/// What there is, and what is in use. `chosen_*` is the agent's choice (`None`: the system's default).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceList {
    pub inputs: Vec<Device>,
    pub outputs: Vec<Device>,
    pub chosen_microphone: Option<String>,
    pub chosen_speaker: Option<String>,
    pub chosen_ringer: Option<String>,
}

/// A source of sound devices. (The media owner shapes its methods; callers only construct one.)
pub trait DeviceHost: Send + Sync {}
