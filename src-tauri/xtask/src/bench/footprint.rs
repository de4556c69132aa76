//! The memory of the program with its window: all its processes, web view included.

use std::time::Duration;

use deskline_tests::panel::Panel;
use deskline_tests::pulse::Pulse;
use deskline_tests::screen::Screen;
use deskline_tests::tree;
use deskline_tests::webdriver::Window;

use super::statistics::Figure;
use super::{Extent, LIMIT, Who, figure};
use crate::shell;

/// PSS of the process tree, registered and in a call with the embedded centre's customer; the centre is in the same
/// process.
pub fn measure(extent: Extent) -> anyhow::Result<Vec<Figure>> {
    if !extent.window {
        return Ok(Vec::new());
    }
    let pulse = Pulse::start(&["a"])?;
    let screen = Screen::start(1400, 900)?;
    let program = shell::built("release", "deskline");
    let window = Window::open(&program, &[], screen.display(), &pulse.environment("a")?)?;
    let driver = window.driver_pid();
    let panel = Panel::new(window)?;
    // The driver is not ours.
    let memory = || {
        std::thread::sleep(Duration::from_secs(3));
        let own: Vec<u32> = tree::tree(driver).into_iter().filter(|&pid| pid != driver).collect();
        tree::pss_megabytes(&own)
    };
    panel.click("sign-in-submit", LIMIT)?;
    panel.awaits_agent(3, LIMIT)?;
    let idle = memory();
    panel.click("demo-call", LIMIT)?;
    panel.click("answer", LIMIT)?;
    panel.awaits_agent(9, LIMIT)?;
    let busy = memory();
    Ok(vec![
        figure("memory of the window's processes idle (PSS)", "MB", Who::Deskline, vec![idle]),
        figure("memory of the window's processes in a call (PSS)", "MB", Who::Deskline, vec![busy]),
    ])
}
