import { createSignal, onCleanup, type Accessor } from "solid-js";

const [now, setNow] = createSignal(Date.now());
let watchers = 0;
let timeout: ReturnType<typeof setTimeout> | undefined;

/**
 * The time, for as long as the calling component lives; it moves once a second, and not at all while nobody looks.
 * Spans are always computed from the snapshot's timestamps, so a throttled page shows the truth at its next tick.
 */
export function useNow(): Accessor<number> {
  watchers += 1;
  if (watchers === 1) tick();
  onCleanup(() => {
    watchers -= 1;
    if (watchers === 0) clearTimeout(timeout);
  });
  return now;
}

/** Moves the clock at once: a new snapshot may carry times that lie after the last tick. */
export function touchClock(): void {
  setNow(Date.now());
}

function tick(): void {
  clearTimeout(timeout);
  touchClock();
  timeout = setTimeout(tick, 1000 - (Date.now() % 1000));
}
