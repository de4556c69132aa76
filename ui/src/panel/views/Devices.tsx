import { createUniqueId, For, Show } from "solid-js";

import type { DeviceRole } from "../../ipc/generated";
import { Icon } from "../icons/Icon";
import type { IconName } from "../icons/drawings";
import type { Model } from "../model";
import { VolumeSlider } from "../parts/VolumeSlider";

const ICONS: Record<DeviceRole, IconName> = { microphone: "mic", speaker: "headphones", ringer: "bell" };
const ROLES: readonly DeviceRole[] = ["microphone", "speaker", "ringer"];

/** Which devices are used, how loud, and whether they work. */
export function Devices(props: { model: Model }) {
  const t = () => props.model.texts();
  return (
    <div class="view devices" data-testid="devices-view">
      <div class="scroll">
        <h1 class="view-title">{t().devices.title}</h1>
        <For each={ROLES}>{(role) => <DeviceSection model={props.model} role={role} />}</For>
        <p class="muted note">{t().devices.testHint}</p>
      </div>
    </div>
  );
}

function DeviceSection(props: { model: Model; role: DeviceRole }) {
  const t = () => props.model.texts();
  const id = createUniqueId();
  const use = () => props.model.snapshot.devices[props.role];
  const choices = () => (props.role === "microphone" ? props.model.snapshot.devices.inputs : props.model.snapshot.devices.outputs);
  const gone = () => use().chosen !== null && !choices().some((device) => device.id === use().chosen);

  return (
    <section class="device" classList={{ trouble: use().trouble !== null }} aria-labelledby={id} data-testid={`device-${props.role}`}>
      <h2 class="device-title" id={id}>
        <Icon name={ICONS[props.role]} size={16} />
        {t().deviceRole[props.role]}
        <Show when={props.role !== "microphone"}>
          <button
            type="button"
            class="button quiet device-test"
            disabled={props.model.busy("test_device")}
            data-testid={`test-${props.role}`}
            onClick={() => void props.model.run("test_device", { role: props.role })}
          >
            <Icon name="play" size={14} />
            {t().devices.test}
          </button>
        </Show>
      </h2>
      <div class="select-box">
      <select
        class="select"
        aria-label={`${t().deviceRole[props.role]}: ${t().devices.device}`}
        data-testid={`select-${props.role}`}
        onChange={(event) => {
          const device = event.currentTarget.value;
          void props.model.run("select_device", device === "" ? { role: props.role } : { role: props.role, device });
        }}
      >
        <option value="" selected={use().chosen === null}>
          {t().devices.systemDefault}
        </option>
        <For each={choices()}>
          {(device) => (
            <option value={device.id} selected={use().chosen === device.id}>
              {device.name}
            </option>
          )}
        </For>
        <Show when={gone()}>
          <option value={use().chosen ?? ""} selected disabled>
            {t().devices.gone}
          </option>
        </Show>
      </select>
      <Icon name="chevron-down" size={16} />
      </div>
      <Show when={use().trouble}>
        {(trouble) => (
          <p class="device-trouble" role="status" data-testid={`trouble-${props.role}`}>
            <Icon name="triangle-alert" size={14} />
            {t().deviceTrouble[trouble()]}
          </p>
        )}
      </Show>
      <VolumeSlider model={props.model} role={props.role} label={t().devices.volume} />
      <Show when={props.role === "microphone" && props.model.can("demo_centre")}>
        <p class="muted note">{t().devices.microphoneHint}</p>
      </Show>
    </section>
  );
}
