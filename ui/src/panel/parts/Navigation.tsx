import { For } from "solid-js";

import { Icon } from "../icons/Icon";
import type { IconName } from "../icons/drawings";
import type { Model, View } from "../model";

const ICONS: Record<View, IconName> = {
  incoming: "phone-incoming",
  outgoing: "phone-outgoing",
  calls: "history",
  devices: "headphones",
  settings: "settings",
};

export function Navigation(props: { model: Model; views: readonly View[]; onHelp: () => void }) {
  const t = () => props.model.texts();
  return (
    <nav class="navigation" aria-label={t().navigation.label}>
      <For each={props.views}>
        {(view) => (
          <button
            type="button"
            class="nav-item"
            classList={{ "nav-last": view === "settings" }}
            aria-current={props.model.view() === view ? "page" : undefined}
            aria-label={t().navigation[view]}
            title={t().navigation[view]}
            data-testid={`nav-${view}`}
            onClick={() => props.model.show(view)}
          >
            <Icon name={ICONS[view]} />
            <span class="nav-label" aria-hidden="true">
              {t().navigation[view]}
            </span>
          </button>
        )}
      </For>
      <button
        type="button"
        class="nav-item nav-help"
        aria-label={t().navigation.help}
        title={`${t().navigation.help} (?)`}
        data-testid="help"
        onClick={() => props.onHelp()}
      >
        <Icon name="keyboard" />
        <span class="nav-label" aria-hidden="true">
          {t().navigation.help}
        </span>
      </button>
    </nav>
  );
}
