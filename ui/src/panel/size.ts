import { createSignal, onCleanup, onMount, type Accessor } from "solid-js";

export type Size = { width: "tight" | "narrow" | "medium" | "wide"; height: "short" | "tall" };

/** Below this the gaps close up, px. */
const NARROW_PX = 270;
/** From here on the navigation has labels under its icons, px. */
const MEDIUM_PX = 360;
/** From here on there are labels beside the icons, and two columns, px. */
const WIDE_PX = 560;
/** Below this the views close up, px. */
const TALL_PX = 500;

/** The size class of the panel: it is laid out by its own size, not by the page's. */
export function createSize(element: () => HTMLElement): Accessor<Size> {
  const [size, setSize] = createSignal<Size>({ width: "narrow", height: "tall" }, { equals: (a, b) => a.width === b.width && a.height === b.height });
  const measure = (): void => {
    const { clientWidth: width, clientHeight: height } = element();
    setSize({
      width: width >= WIDE_PX ? "wide" : width >= MEDIUM_PX ? "medium" : width >= NARROW_PX ? "narrow" : "tight",
      height: height >= TALL_PX ? "tall" : "short",
    });
  };
  onMount(() => {
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element());
    onCleanup(() => observer.disconnect());
  });
  return size;
}
