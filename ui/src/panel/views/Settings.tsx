import { createSignal, createUniqueId, For, Show } from "solid-js";

import type { Language, Theme } from "../../ipc/generated";
import { Icon } from "../icons/Icon";
import type { Model } from "../model";
import { Lines } from "../parts/Lines";
import { AddLine } from "./AddLine";

const LANGUAGES: readonly Language[] = ["system", "zh-CN", "en"];
const THEMES: readonly Theme[] = ["system", "light", "dark", "high-contrast"];

/** The settings, and in their place the form of a further line while one is added. */
export function Settings(props: { model: Model; onHelp: () => void }) {
  const [adding, setAdding] = createSignal(false);
  return (
    <Show when={adding()} fallback={<SettingsList {...props} onAdd={() => setAdding(true)} />}>
      <AddLine model={props.model} onClose={() => setAdding(false)} />
    </Show>
  );
}

function SettingsList(props: { model: Model; onHelp: () => void; onAdd: () => void }) {
  const t = () => props.model.texts();
  const settings = props.model.snapshot.settings;
  const acwId = createUniqueId();

  return (
    <div class="view settings" data-testid="settings-view">
      <div class="scroll">
        <h1 class="view-title">{t().settings.title}</h1>
        <Choice
          legend={t().settings.language}
          name="language"
          values={LANGUAGES}
          label={(value) => t().language[value]}
          value={settings.language}
          onChoose={(language) => void props.model.run("set_settings", { language })}
        />
        <Choice
          legend={t().settings.theme}
          name="theme"
          values={THEMES}
          label={(value) => t().theme[value]}
          value={settings.theme}
          onChoose={(theme) => void props.model.run("set_settings", { theme })}
        />
        <div class="field acw-setting">
          <label for={acwId}>{t().settings.afterCallWork}</label>
          <div class="field-box with-unit">
            <input
              id={acwId}
              type="number"
              min="0"
              max="3600"
              step="5"
              value={settings.after_call_work_seconds}
              aria-describedby={`${acwId}-hint`}
              data-testid="setting-acw"
              onChange={(event) => {
                const seconds = event.currentTarget.valueAsNumber;
                if (Number.isInteger(seconds) && seconds >= 0 && seconds <= 3600) {
                  void props.model.run("set_settings", { after_call_work_seconds: seconds });
                } else {
                  event.currentTarget.value = String(settings.after_call_work_seconds);
                }
              }}
            />
            <span class="unit" aria-hidden="true">
              {t().settings.seconds}
            </span>
          </div>
          <p class="field-hint" id={`${acwId}-hint`}>
            {t().settings.afterCallWorkHint}
          </p>
        </div>
        <Show when={props.model.can("several_lines")}>
          <Lines model={props.model} onAdd={() => props.onAdd()} />
        </Show>
        <button type="button" class="button quiet wide" data-testid="settings-help" onClick={() => props.onHelp()}>
          <Icon name="keyboard" size={16} />
          {t().settings.keyboard}
        </button>
        <p class="muted version" data-testid="version">
          {t().productName} {t().settings.version} {props.model.snapshot.version}
        </p>
      </div>
    </div>
  );
}

function Choice<V extends string>(props: {
  legend: string;
  name: string;
  values: readonly V[];
  label: (value: V) => string;
  value: V;
  onChoose: (value: V) => void;
}) {
  return (
    <fieldset class="choices">
      <legend>{props.legend}</legend>
      <For each={props.values}>
        {(value) => (
          <label class="choice">
            <input
              type="radio"
              name={props.name}
              value={value}
              checked={props.value === value}
              data-testid={`${props.name}-${value}`}
              onChange={() => props.onChoose(value)}
            />
            <span>{props.label(value)}</span>
          </label>
        )}
      </For>
    </fieldset>
  );
}
