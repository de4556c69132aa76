import { For, onMount } from "solid-js";

import { Icon } from "../icons/Icon";
import type { Model } from "../model";
import { SHORTCUTS } from "../shortcuts";

/** The list of shortcuts, as a modal dialog inside the panel. */
export function Help(props: { model: Model; onClose: () => void }) {
  const t = () => props.model.texts();
  let dialog!: HTMLDialogElement;
  onMount(() => dialog.showModal());
  return (
    <dialog ref={dialog} class="help" aria-label={t().help.title} data-testid="help-dialog" on:close={() => props.onClose()}>
      <div class="help-head">
        <h2>{t().help.title}</h2>
        <button
          type="button"
          class="icon-button"
          aria-label={t().panel.close}
          title={t().panel.close}
          data-testid="help-close"
          onClick={() => dialog.close()}
        >
          <Icon name="x" size={18} />
        </button>
      </div>
      <dl class="shortcuts">
        <For each={SHORTCUTS}>
          {(shortcut) => (
            <div>
              <dt>{t().help[shortcut.meaning]}</dt>
              <dd>
                <For each={shortcut.keys}>{(key) => <kbd>{key}</kbd>}</For>
              </dd>
            </div>
          )}
        </For>
      </dl>
    </dialog>
  );
}
