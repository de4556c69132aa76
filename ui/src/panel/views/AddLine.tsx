import { createSignal } from "solid-js";

import { accountFaults, accountForm, signInOf, type AccountForm } from "../account";
import { Icon } from "../icons/Icon";
import type { Model } from "../model";
import { AccountOptionFields, showFirstFault, TextInput, TransportChoice } from "../parts/AccountFields";
import { PasswordInput } from "../parts/PasswordInput";

/** A further account: it starts from the server of the agent's own, for that is where it is as a rule. */
export function AddLine(props: { model: Model; onClose: () => void }) {
  const t = () => props.model.texts();
  const own = props.model.snapshot.account;
  const [form, setForm] = createSignal<AccountForm>(
    accountForm({ server: own?.server ?? "", user: "", display_name: "", transport: own?.transport ?? "udp", options: own?.options ?? {} }),
  );
  let element!: HTMLFormElement;
  const [checked, setChecked] = createSignal(false);
  const [moreOpen, setMoreOpen] = createSignal(false);
  const change = (changed: Partial<AccountForm>): void => {
    setForm((before) => ({ ...before, ...changed }));
  };
  const faults = () => (checked() ? accountFaults(form()) : {});
  const busy = () => props.model.busy("add_line");
  const fields = () => ({ model: props.model, form: form(), change, faults: faults(), disabled: busy(), testid: "line" });

  const send = async (event: Event): Promise<void> => {
    event.preventDefault();
    setChecked(true);
    const wrong = accountFaults(form());
    if (Object.keys(wrong).some((field) => field !== "server" && field !== "user")) setMoreOpen(true);
    if (busy()) return;
    if (Object.keys(wrong).length > 0) {
      showFirstFault(element);
      return;
    }
    if ((await props.model.run("add_line", { account: signInOf(form()) })) !== undefined) props.onClose();
  };

  return (
    <form ref={element} class="view sign-in" onSubmit={(event) => void send(event)} novalidate aria-label={t().lines.addTitle} data-testid="line-form">
      <div class="scroll">
        <div class="transfer-head">
          <button type="button" class="icon-button small" aria-label={t().trust.cancel} title={t().trust.cancel} data-testid="line-cancel" onClick={() => props.onClose()}>
            <Icon name="chevron-left" size={18} />
          </button>
          <h1 class="view-title">{t().lines.addTitle}</h1>
        </div>
        <TextInput
          model={props.model}
          label={t().signIn.server}
          placeholder={t().signIn.serverHint}
          value={form().server}
          onInput={(server) => change({ server })}
          disabled={busy()}
          fault={faults().server}
          testid="line-server"
        />
        <TextInput model={props.model} label={t().signIn.user} value={form().user} onInput={(user) => change({ user })} disabled={busy()} fault={faults().user} testid="line-user" />
        <PasswordInput model={props.model} value={form().password} onInput={(password) => change({ password })} disabled={busy()} testid="line-password" />
        <TransportChoice {...fields()} />
        <details class="more" open={moreOpen()} onToggle={(event) => setMoreOpen(event.currentTarget.open)}>
          <summary data-testid="line-more">{t().signIn.more}</summary>
          <AccountOptionFields {...fields()} />
        </details>
      </div>
      <div class="foot">
        <button type="submit" class="button primary wide" disabled={busy()} data-testid="line-submit">
          {t().lines.add}
        </button>
      </div>
    </form>
  );
}
