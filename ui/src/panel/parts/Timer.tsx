import { useNow } from "../clock";
import { timer } from "../format";

/** Time gone by since a timestamp of the snapshot. */
export function Timer(props: { sinceMs: number; testid?: string; class?: string }) {
  const now = useNow(() => props.sinceMs);
  return (
    <span class={`timer ${props.class ?? ""}`} data-testid={props.testid} role="timer" aria-live="off">
      {timer(now() - props.sinceMs)}
    </span>
  );
}
