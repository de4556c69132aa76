//! A small client of the W3C's WebDriver protocol, with shadow roots, for WebKitWebDriver and a window of ours.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use crate::process::Output;
use crate::{Process, Scratch, port, wait};

const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
const SHADOW: &str = "shadow-6066-11e4-a52e-4f735466cecf";

/// No single request may take longer.
const REQUEST_LIMIT: Duration = Duration::from_secs(30);

/// WebKitWebDriver and the program with the window, which it has started.
#[derive(Debug)]
pub struct Window {
    driver: Process,
    scratch: Scratch,
    port: u16,
    session: String,
}

/// An element of the page, as long as it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element(String);

/// A shadow root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShadowRoot(String);

impl Window {
    /// Starts `program` with `args` under remote control, on `display`, with `environment` added to ours.
    ///
    /// # Errors
    /// When no session comes about; with the driver's log, which holds the program's.
    pub fn open(
        program: &Path,
        args: &[&str],
        display: &str,
        environment: &[(String, String)],
    ) -> anyhow::Result<Self> {
        let scratch = Scratch::new("window")?;
        let port = port::free();
        let mut command = Command::new("WebKitWebDriver");
        command
            .args([&format!("--port={port}"), "--host=127.0.0.1"])
            .env("DISPLAY", display)
            .env("LIBGL_ALWAYS_SOFTWARE", "1")
            // Without this the window's web view does not answer the driver at all.
            .env("TAURI_WEBVIEW_AUTOMATION", "true")
            .env("HOME", scratch.path())
            .env("XDG_DATA_HOME", scratch.path().join("data"))
            .env("XDG_CONFIG_HOME", scratch.path().join("config"))
            .env("XDG_CACHE_HOME", scratch.path().join("cache"))
            .env("NO_AT_BRIDGE", "1")
            // Screenshots hang with it.
            .env_remove("WEBKIT_DISABLE_DMABUF_RENDERER")
            .env_remove("WAYLAND_DISPLAY")
            .envs(environment.iter().cloned());
        let mut driver = Process::spawn("webkitwebdriver", &mut command, scratch.path(), Output::Log)?;
        driver.until_ready(Duration::from_secs(10), |_| TcpStream::connect(("127.0.0.1", port)).is_ok())?;
        let mut window = Self { driver, scratch, port, session: String::new() };
        window.connect(program, args).with_context(|| window.trouble())?;
        Ok(window)
    }

    /// The driver, whose child is the program.
    pub fn driver_pid(&self) -> u32 {
        self.driver.pid()
    }

    /// What driver and program have logged.
    pub fn log(&self) -> String {
        self.driver.log()
    }

    /// The home folder of the program.
    pub fn home(&self) -> &Path {
        self.scratch.path()
    }

    /// Ends the session, and with it the program; it may be opened again with the same home folder.
    ///
    /// # Errors
    /// When the driver does not answer.
    pub fn close(&mut self) -> anyhow::Result<()> {
        self.request("DELETE", &format!("/session/{}", self.session), None).map(drop)
    }

    /// Starts the program again after [`Window::close`].
    ///
    /// # Errors
    /// As [`Window::open`].
    pub fn reopen(&mut self, program: &Path, args: &[&str]) -> anyhow::Result<()> {
        self.connect(program, args).with_context(|| self.trouble())
    }

    /// Loads the page anew.
    ///
    /// # Errors
    /// When the driver refuses.
    pub fn reload(&self) -> anyhow::Result<()> {
        self.post("/refresh", json!({})).map(drop)
    }

    /// The first element that matches in the document.
    ///
    /// # Errors
    /// When there is none.
    pub fn find(&self, css: &str) -> anyhow::Result<Element> {
        let found = self.post("/element", json!({ "using": "css selector", "value": css }))?;
        element(&found)
    }

    /// The shadow root of an element.
    ///
    /// # Errors
    /// When it has none.
    pub fn shadow(&self, host: &Element) -> anyhow::Result<ShadowRoot> {
        let found = self.get(&format!("/element/{}/shadow", host.0))?;
        found[SHADOW].as_str().map(|id| ShadowRoot(id.to_owned())).context("no shadow root in the answer")
    }

    /// The first element that matches in a shadow root.
    ///
    /// # Errors
    /// When there is none.
    pub fn find_in(&self, root: &ShadowRoot, css: &str) -> anyhow::Result<Element> {
        let found =
            self.post(&format!("/shadow/{}/element", root.0), json!({ "using": "css selector", "value": css }))?;
        element(&found)
    }

    /// # Errors
    /// When the element cannot be clicked.
    pub fn click(&self, element: &Element) -> anyhow::Result<()> {
        self.post(&format!("/element/{}/click", element.0), json!({})).map(drop)
    }

    /// Types into a field.
    ///
    /// # Errors
    /// When the element takes no text.
    pub fn type_text(&self, element: &Element, text: &str) -> anyhow::Result<()> {
        self.post(&format!("/element/{}/value", element.0), json!({ "text": text })).map(drop)
    }

    /// Empties a field.
    ///
    /// # Errors
    /// When the element is not a field.
    pub fn clear(&self, element: &Element) -> anyhow::Result<()> {
        self.post(&format!("/element/{}/clear", element.0), json!({})).map(drop)
    }

    /// The element's text as it is shown.
    ///
    /// # Errors
    /// When the element is gone.
    pub fn text(&self, element: &Element) -> anyhow::Result<String> {
        Ok(self.get(&format!("/element/{}/text", element.0))?.as_str().unwrap_or_default().to_owned())
    }

    /// The element's text, also of what is out of sight.
    ///
    /// # Errors
    /// When the element is gone.
    pub fn content(&self, element: &Element) -> anyhow::Result<String> {
        Ok(self.get(&format!("/element/{}/property/textContent", element.0))?.as_str().unwrap_or_default().to_owned())
    }

    /// An attribute; `None` when it is not there.
    ///
    /// # Errors
    /// When the element is gone.
    pub fn attribute(&self, element: &Element, name: &str) -> anyhow::Result<Option<String>> {
        Ok(self.get(&format!("/element/{}/attribute/{name}", element.0))?.as_str().map(str::to_owned))
    }

    /// Runs a function body in the page and returns what it returns.
    ///
    /// # Errors
    /// When it throws.
    pub fn run(&self, script: &str, args: &[Value]) -> anyhow::Result<Value> {
        self.post("/execute/sync", json!({ "script": script, "args": args }))
    }

    /// A picture of the page, as PNG.
    ///
    /// # Errors
    /// When none can be taken or written.
    pub fn screenshot(&self, path: &Path) -> anyhow::Result<()> {
        // A picture taken at once may be of the frame before the last change.
        std::thread::sleep(Duration::from_millis(700));
        let text = self.get("/screenshot")?;
        let png = base64(text.as_str().context("the picture is text")?)?;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, png).with_context(|| format!("writing {}", path.display()))
    }

    /// The middle of an element, in pixels from the page's upper left corner.
    ///
    /// # Errors
    /// When the element is gone.
    pub fn middle(&self, element: &Element) -> anyhow::Result<(i32, i32)> {
        let rect = self.get(&format!("/element/{}/rect", element.0))?;
        let at = |corner: &str, size: &str| Some((rect[corner].as_f64()? + rect[size].as_f64()? / 2.0) as i32);
        at("x", "width").zip(at("y", "height")).context("a rectangle")
    }

    fn connect(&mut self, program: &Path, args: &[&str]) -> anyhow::Result<()> {
        let options = json!({ "binary": program, "args": args });
        let body = json!({ "capabilities": { "alwaysMatch": { "webkitgtk:browserOptions": options } } });
        let answer = self.request("POST", "/session", Some(&body))?;
        self.session = answer["sessionId"].as_str().context("no session in the driver's answer")?.to_owned();
        wait::until(Duration::from_secs(20), "the page is loaded", || {
            self.run("return document.readyState", &[]).is_ok_and(|state| state == "complete")
        })
    }

    fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.request("GET", &format!("/session/{}{path}", self.session), None)
    }

    fn post(&self, path: &str, body: Value) -> anyhow::Result<Value> {
        self.request("POST", &format!("/session/{}{path}", self.session), Some(&body))
    }

    fn request(&self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let answer = http(self.port, method, path, body).with_context(|| format!("{method} {path}"))?;
        let value = answer["value"].clone();
        match value["error"].as_str() {
            Some(error) => bail!("{error}: {}", value["message"].as_str().unwrap_or_default()),
            None => Ok(value),
        }
    }

    fn trouble(&self) -> String {
        format!("log of WebKitWebDriver and the program:\n{}", crate::process::tail(&self.driver.log(), 80))
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // The driver ends the program, which may be in a group of its own.
        let _ = self.close();
    }
}

fn element(found: &Value) -> anyhow::Result<Element> {
    found[ELEMENT].as_str().map(|id| Element(id.to_owned())).context("no element in the answer")
}

/// One request on a connection of its own.
fn http(port: u16, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(REQUEST_LIMIT))?;
    stream.set_nodelay(true)?;
    let body = body.map(Value::to_string).unwrap_or_default();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let split = answer.windows(4).position(|four| four == b"\r\n\r\n").context("no HTTP answer")?;
    serde_json::from_slice(&answer[split + 4..]).context("the answer is not JSON")
}

fn base64(text: &str) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut count) = (0u32, 0);
    for letter in text.bytes().filter(|letter| !matches!(letter, b'=' | b'\n' | b'\r')) {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => bail!("not base64"),
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_decoded_with_and_without_padding() {
        assert_eq!(base64("RGVza2xpbmU=").ok().as_deref(), Some(&b"Deskline"[..]));
        assert_eq!(base64("cGhvbmU").ok().as_deref(), Some(&b"phone"[..]));
        assert!(base64("#").is_err());
    }
}
