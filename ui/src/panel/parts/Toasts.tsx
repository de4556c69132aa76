import { For } from "solid-js";

import { Icon } from "../icons/Icon";
import type { Model } from "../model";

/** Commands that failed, by their code. */
export function Toasts(props: { model: Model }) {
  return (
    <div class="toasts" role="alert" aria-atomic="false">
      <For each={props.model.toasts()}>
        {(toast) => (
          <div class="toast" data-testid="toast" data-code={toast.code}>
            <Icon name="circle-alert" size={16} />
            <p>{props.model.texts().error[toast.code]}</p>
            <button
              type="button"
              class="icon-button small"
              aria-label={props.model.texts().panel.close}
              onClick={() => props.model.dismissToast(toast.id)}
            >
              <Icon name="x" size={16} />
            </button>
          </div>
        )}
      </For>
    </div>
  );
}
