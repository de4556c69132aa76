//! The panel in the program's window, by the test ids of its elements.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};

use crate::wait;
use crate::webdriver::{Element, ShadowRoot, Window};

/// A window that shows the panel.
#[derive(Debug)]
pub struct Panel {
    window: Window,
}

impl Panel {
    /// Waits until the window shows the panel.
    ///
    /// # Errors
    /// When it does not within 20 s; with the program's log.
    pub fn new(window: Window) -> anyhow::Result<Self> {
        let panel = Self { window };
        panel.awaits("agent-state", Duration::from_secs(20))?;
        Ok(panel)
    }

    pub fn window(&self) -> &Window {
        &self.window
    }

    pub fn window_mut(&mut self) -> &mut Window {
        &mut self.window
    }

    /// The element with this test id, if it is shown.
    pub fn find(&self, id: &str) -> Option<Element> {
        let root = self.root().ok()?;
        self.window.find_in(&root, &format!("[data-testid='{id}']")).ok()
    }

    /// Waits until the element is there.
    ///
    /// # Errors
    /// When `limit` passes first; with what the panel shows instead.
    pub fn awaits(&self, id: &str, limit: Duration) -> anyhow::Result<Element> {
        wait::until_some(limit, &format!("{id} is shown"), || Ok(self.find(id))).with_context(|| self.trouble())
    }

    /// Waits until the element is gone.
    ///
    /// # Errors
    /// When `limit` passes first; with what the panel shows instead.
    pub fn awaits_absence(&self, id: &str, limit: Duration) -> anyhow::Result<()> {
        wait::until(limit, &format!("{id} is no longer shown"), || self.root().is_ok() && self.find(id).is_none())
            .with_context(|| self.trouble())
    }

    /// Waits until the element is there and enabled, and clicks it.
    ///
    /// # Errors
    /// When `limit` passes first.
    pub fn click(&self, id: &str, limit: Duration) -> anyhow::Result<()> {
        let mut last = None;
        let clicked = wait::until_some(limit, &format!("{id} can be clicked"), || {
            let Some(element) = self.find(id) else { return Ok(None) };
            if self.window.attribute(&element, "disabled").ok().flatten().is_some() {
                return Ok(None);
            }
            // The element may be drawn anew between our look and our click.
            last = self.window.click(&element).err();
            Ok(last.is_none().then_some(()))
        });
        clicked.with_context(|| format!("the last refusal of a click: {last:?}")).with_context(|| self.trouble())
    }

    /// Chooses one of several: a button that stands, unseen, behind its picture.
    ///
    /// # Errors
    /// When it is not there.
    pub fn choose(&self, id: &str) -> anyhow::Result<()> {
        self.awaits(id, Duration::from_secs(5))?;
        let script = "document.querySelector('deskline-panel').shadowRoot\
                      .querySelector(`[data-testid='${arguments[0]}']`).click()";
        self.window.run(script, &[id.into()]).map(drop)
    }

    /// Replaces what stands in a field.
    ///
    /// # Errors
    /// When the field is not there.
    pub fn fill(&self, id: &str, text: &str) -> anyhow::Result<()> {
        let field = self.awaits(id, Duration::from_secs(5))?;
        self.window.clear(&field)?;
        self.window.type_text(&field, text)
    }

    /// The text of an element that is there.
    ///
    /// # Errors
    /// When it is not.
    pub fn text(&self, id: &str) -> anyhow::Result<String> {
        let element = self.find(id).with_context(|| format!("{id} is not shown"))?;
        self.window.content(&element)
    }

    /// Waits until an element has this value in an attribute.
    ///
    /// # Errors
    /// When `limit` passes first; with what the panel shows instead.
    pub fn awaits_attribute(&self, id: &str, name: &str, value: &str, limit: Duration) -> anyhow::Result<()> {
        wait::until(limit, &format!("{id} has {name}={value}"), || {
            self.find(id)
                .and_then(|element| self.window.attribute(&element, name).ok().flatten())
                .is_some_and(|now| now == value)
        })
        .with_context(|| self.trouble())
    }

    /// Waits until the agent is in the state of this code.
    ///
    /// # Errors
    /// When `limit` passes first; with what the panel shows instead.
    pub fn awaits_agent(&self, code: i8, limit: Duration) -> anyhow::Result<()> {
        self.awaits_attribute("agent-state", "data-code", &code.to_string(), limit)
    }

    /// How many elements have this test id.
    ///
    /// # Errors
    /// When the page does not answer.
    pub fn count(&self, id: &str) -> anyhow::Result<u64> {
        let script = "return document.querySelector('deskline-panel').shadowRoot\
                      .querySelectorAll(`[data-testid='${arguments[0]}']`).length";
        self.window.run(script, &[id.into()])?.as_u64().context("a count")
    }

    /// All that the panel shows, as text.
    pub fn shown(&self) -> String {
        let script = "const panel = document.querySelector('deskline-panel'); \
                      return panel && panel.shadowRoot ? panel.shadowRoot.textContent : document.body.textContent";
        self.window.run(script, &[]).ok().and_then(|text| text.as_str().map(str::to_owned)).unwrap_or_default()
    }

    /// A picture of the panel.
    ///
    /// # Errors
    /// When none can be taken or written.
    pub fn screenshot(&self, path: &Path) -> anyhow::Result<()> {
        self.window.screenshot(path)
    }

    fn root(&self) -> anyhow::Result<ShadowRoot> {
        let Ok(host) = self.window.find("deskline-panel") else { bail!("the page has no panel") };
        self.window.shadow(&host)
    }

    fn trouble(&self) -> String {
        format!("the panel shows: {}\nlog:\n{}", self.shown(), crate::process::tail(&self.window.log(), 60))
    }
}
