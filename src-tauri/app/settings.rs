//! The agent's settings, kept by Tauri's store plugin.

use std::sync::Arc;

use anyhow::Context;
use deskline_engine::settings::{SettingsError, SettingsStore};
use serde_json::Value;
use tauri::{AppHandle, Wry};
use tauri_plugin_store::{Store, StoreExt};

/// The file in the program's data folder.
const FILE: &str = "settings.json";
const KEY: &str = "settings";

pub(crate) struct PluginStore(Arc<Store<Wry>>);

impl PluginStore {
    pub(crate) fn open(app: &AppHandle) -> anyhow::Result<Self> {
        app.store(FILE).map(Self).context("opening the settings")
    }
}

impl SettingsStore for PluginStore {
    fn load(&self) -> Value {
        self.0.get(KEY).unwrap_or_default()
    }

    fn save(&self, settings: Value) -> Result<(), SettingsError> {
        self.0.set(KEY, settings);
        self.0.save().map_err(|error| SettingsError(error.to_string()))
    }
}
