import { createSignal } from "solid-js";

import type { DeviceRole } from "../../ipc/generated";
import type { Model } from "../model";

/** The volume of one device: follows the snapshot, except while it is being dragged. */
export function VolumeSlider(props: { model: Model; role: DeviceRole; label: string }) {
  const [dragged, setDragged] = createSignal<number>();
  const value = (): number => dragged() ?? props.model.snapshot.devices[props.role].volume;
  let sending = false;

  // One command at a time, the newest value last: a drag would send dozens otherwise.
  const send = async (): Promise<void> => {
    if (sending) return;
    sending = true;
    let sent: number | undefined;
    while (dragged() !== undefined && sent !== dragged()) {
      sent = dragged();
      if (sent === undefined || (await props.model.run("set_volume", { role: props.role, percent: sent })) === undefined) break;
    }
    sending = false;
    setDragged(undefined);
  };

  return (
    <label class="slider">
      <span class="slider-label">{props.label}</span>
      <input
        type="range"
        min="0"
        max="100"
        step="5"
        value={value()}
        aria-valuetext={`${value()} %`}
        data-testid={`volume-${props.role}`}
        onInput={(event) => {
          setDragged(event.currentTarget.valueAsNumber);
          void send();
        }}
      />
      <output class="slider-value">{value()}</output>
    </label>
  );
}
