import { createComputed, createSignal, onCleanup, type Accessor } from "solid-js";

/**
 * The time, for as long as the calling component lives. It moves at each whole second before or after `anchor` (a
 * timestamp of the snapshot, from or to which a timer counts), so that a timer never lags behind its truth, and nothing
 * wakes up in between. A page that was throttled shows the truth at its next tick.
 */
export function useNow(anchor: () => number): Accessor<number> {
  const [now, setNow] = createSignal(Date.now());
  createComputed(() => {
    const at = anchor();
    let timeout: ReturnType<typeof setTimeout> | undefined;
    const tick = (): void => {
      const time = Date.now();
      setNow(time);
      const phase = (((time - at) % 1000) + 1000) % 1000;
      timeout = setTimeout(tick, 1000 - phase);
    };
    tick();
    onCleanup(() => clearTimeout(timeout));
  });
  return now;
}
