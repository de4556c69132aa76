import { onMount } from "solid-js";

import type { RefusedCertificate } from "../../ipc/generated";
import { fingerprintLines } from "../format";
import type { Model } from "../model";

/** Asks whether just this certificate of just this server is to be trusted; what keeps all as it is has the focus. */
export function TrustDialog(props: { model: Model; server: string; certificate: RefusedCertificate; onTrust: () => void; onClose: () => void }) {
  const t = () => props.model.texts();
  let dialog!: HTMLDialogElement;
  let cancel!: HTMLButtonElement;
  onMount(() => {
    dialog.showModal();
    cancel.focus();
  });
  return (
    <dialog ref={dialog} class="help trust" aria-label={t().trust.title} data-testid="trust-dialog" on:close={() => props.onClose()}>
      <h2>{t().trust.title}</h2>
      <dl class="trust-facts">
        <dt>{t().trust.server}</dt>
        <dd data-testid="trust-server">{props.server}</dd>
        <dt>{t().trust.trouble}</dt>
        <dd>{t().certificateFault[props.certificate.fault]}</dd>
        <dt>{t().trust.fingerprint}</dt>
        <dd class="fingerprint" data-testid="trust-fingerprint">
          {fingerprintLines(props.certificate.fingerprint)}
        </dd>
      </dl>
      <p class="trust-warning">{t().trust.warning}</p>
      <div class="trust-actions">
        <button ref={cancel} type="button" class="button" data-testid="trust-cancel" onClick={() => dialog.close()}>
          {t().trust.cancel}
        </button>
        <button type="button" class="button primary" data-testid="trust-confirm" onClick={() => props.onTrust()}>
          {t().trust.confirm}
        </button>
      </div>
    </dialog>
  );
}
