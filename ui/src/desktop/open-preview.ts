import { FakeProgram } from "../ipc/fake";
import { openWindow } from "./open";

declare global {
  interface Window {
    /** The simulated program, for the tests of the views and for playing with them. */
    fake: FakeProgram;
  }
}

export function openPreview(host: HTMLElement): void {
  window.fake = new FakeProgram();
  openWindow(host, window.fake);
}
