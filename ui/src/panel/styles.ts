import base from "./styles/base.css?inline";
import call from "./styles/call.css?inline";
import calls from "./styles/calls.css?inline";
import controls from "./styles/controls.css?inline";
import dial from "./styles/dial.css?inline";
import frame from "./styles/frame.css?inline";
import forms from "./styles/forms.css?inline";
import ready from "./styles/ready.css?inline";
import tokens from "./styles/tokens.css?inline";

let sheets: CSSStyleSheet[] | undefined;

/** The panel's styles, parsed once for all panels of a page. Constructed sheets need no leave of a `style-src`. */
export function styleSheets(): CSSStyleSheet[] {
  sheets ??= [tokens, base, controls, frame, forms, ready, dial, call, calls].map((text) => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(text);
    return sheet;
  });
  return sheets;
}
