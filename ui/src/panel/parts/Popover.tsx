import { createEffect, createSignal, createUniqueId, onCleanup, Show, type JSX } from "solid-js";

import { Icon } from "../icons/Icon";
import type { IconName } from "../icons/drawings";

/**
 * A button of the header with what it opens below. Escape, a click elsewhere and `close` shut it; the focus goes in with
 * the opening and back to the button with the closing.
 */
export function Popover(props: {
  label: string;
  icon: IconName;
  testid: string;
  role: "menu" | "dialog";
  disabled?: boolean;
  children: (close: () => void) => JSX.Element;
}) {
  const [open, setOpen] = createSignal(false);
  const id = createUniqueId();
  let button!: HTMLButtonElement;
  let box: HTMLDivElement | undefined;

  const close = (): void => {
    if (!open()) return;
    setOpen(false);
    button.focus();
  };

  createEffect(() => {
    if (!open()) return;
    box?.querySelector<HTMLElement>("[role=menuitem], [role=menuitemradio], input, button, select")?.focus();
    const root = button.getRootNode();
    const outside = (event: Event): void => {
      if (!event.composedPath().some((node) => node === box || node === button)) setOpen(false);
    };
    document.addEventListener("pointerdown", outside);
    root.addEventListener("focusin", outside);
    onCleanup(() => {
      document.removeEventListener("pointerdown", outside);
      root.removeEventListener("focusin", outside);
    });
  });

  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === "Escape") {
      event.stopPropagation();
      close();
    } else if (props.role === "menu" && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      const items = [...(box?.querySelectorAll<HTMLElement>("[role=menuitem]") ?? [])];
      const at = items.findIndex((item) => item.matches(":focus"));
      const step = event.key === "ArrowDown" ? 1 : items.length - 1;
      items[(at + step) % items.length]?.focus();
    }
  };

  return (
    <div class="popover-anchor" on:keydown={onKeyDown}>
      <button
        ref={button}
        type="button"
        class="icon-button"
        aria-label={props.label}
        title={props.label}
        aria-haspopup={props.role}
        aria-expanded={open()}
        aria-controls={open() ? id : undefined}
        disabled={props.disabled}
        data-testid={props.testid}
        onClick={() => (open() ? close() : setOpen(true))}
      >
        <Icon name={props.icon} size={18} />
      </button>
      <Show when={open()}>
        <div ref={box} id={id} class="popover" role={props.role} aria-label={props.label}>
          {props.children(close)}
        </div>
      </Show>
    </div>
  );
}
