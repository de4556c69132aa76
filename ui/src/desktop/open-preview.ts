import { FakeProgram } from "../ipc/fake";
import { openWindow } from "./open";

declare global {
  interface Window {
    /** The simulated program, for the tests of the views and for playing with them. */
    fake: FakeProgram;
    /** Builds the page anew over the same program, as a reload of the window does. */
    reopen: () => void;
    /** Begins from the beginning: a new program, nobody signed in. */
    restart: () => void;
  }
}

export function openPreview(host: HTMLElement): void {
  window.fake = new FakeProgram();
  let close = openWindow(host, window.fake);
  window.reopen = () => {
    close();
    close = openWindow(host, window.fake);
  };
  window.restart = () => {
    window.fake.stop();
    window.fake = new FakeProgram();
    window.reopen();
  };
}
