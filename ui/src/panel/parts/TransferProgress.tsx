import { createEffect, createSignal, Show } from "solid-js";

import type { Call, CallTransfer } from "../../ipc/generated";
import { causeOfStatus, groupedNumber } from "../format";
import { Icon } from "../icons/Icon";
import type { Model } from "../model";

/** How the transfer of a call goes; where it failed, why, and what can be done. */
export function TransferProgress(props: { model: Model; call: Call }) {
  const t = () => props.model.texts();
  const [seen, setSeen] = createSignal<CallTransfer>();
  const same = (a: CallTransfer | undefined, b: CallTransfer) => a?.state === b.state && a.to === b.to && a.status === b.status;
  const transfer = () => {
    const now = props.call.transfer;
    return now === null || same(seen(), now) ? undefined : now;
  };
  const again = () => props.call.allowed.includes("transfer") || props.call.allowed.includes("consult");
  let box!: HTMLDivElement;
  createEffect(() => {
    if (transfer()?.state === "failed") queueMicrotask(() => box.scrollIntoView({ block: "nearest" }));
  });

  return (
    <div ref={box} class="transfer-box" role="status">
      <Show when={transfer()}>
        {(now) => (
          <div class="transfer-progress" data-state={now().state} data-testid="transfer-progress">
            <Show
              when={now().state !== "failed" && now().state !== "succeeded"}
              fallback={<Icon name={now().state === "failed" ? "circle-alert" : "circle-check"} size={16} />}
            >
              <span class="spinner" aria-hidden="true" />
            </Show>
            <div class="transfer-text" data-testid="transfer-state">
              <Show
                when={now().state === "failed"}
                fallback={
                  <>
                    <p class="transfer-title">{t().transfer.to(groupedNumber(now().to))}</p>
                    <p>{t().transferState[now().state]}</p>
                  </>
                }
              >
                <p class="transfer-title">{t().transfer.failed(groupedNumber(now().to))}</p>
                <Show when={now().status}>
                  {(status) => (
                    <p>
                      {t().endCause[causeOfStatus(status())].title}
                      <span class="status-code">{t().sipStatus(status())}</span>
                    </p>
                  )}
                </Show>
                <p>
                  {t().transfer.failedStill}{" "}
                  <Show when={again()}>
                    <button type="button" class="link" data-testid="transfer-again" onClick={() => props.model.open("transfer")}>
                      {t().transfer.again}
                    </button>
                  </Show>
                </p>
              </Show>
            </div>
            <Show when={now().state === "failed"}>
              <button
                type="button"
                class="icon-button small"
                aria-label={t().panel.dismiss}
                title={t().panel.dismiss}
                data-testid="transfer-dismiss"
                onClick={() => setSeen({ ...now() })}
              >
                <Icon name="x" size={16} />
              </button>
            </Show>
          </div>
        )}
      </Show>
    </div>
  );
}
