import { DRAWINGS, type IconName } from "./drawings";

/** A drawing that says nothing to a screen reader: the control around it carries the name. */
export function Icon(props: { name: IconName; size?: number }) {
  return (
    <svg class="icon" width={props.size ?? 20} height={props.size ?? 20} viewBox="0 0 24 24" aria-hidden="true">
      <path d={DRAWINGS[props.name]} />
    </svg>
  );
}
