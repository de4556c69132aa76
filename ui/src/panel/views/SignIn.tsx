import { createEffect, createSignal, Show } from "solid-js";

import type { CertificateFault } from "../../ipc/generated";
import { accountFaults, accountForm, signInOf, withPinned, type AccountForm } from "../account";
import { fingerprintLines } from "../format";
import { Icon } from "../icons/Icon";
import type { Model } from "../model";
import { AccountOptionFields, showFirstFault, TextInput, TransportChoice } from "../parts/AccountFields";
import { PasswordInput } from "../parts/PasswordInput";
import { TrustDialog } from "../parts/TrustDialog";

/** A certificate that its own issuer took back, or that cannot be the server's own, is not for anybody to trust. */
const BEYOND_TRUST: ReadonlySet<CertificateFault> = new Set(["revoked", "bad_signature", "malformed"]);

/** The sign-in form, prefilled by the program; it stays while the program is signing in or out. */
export function SignIn(props: { model: Model }) {
  const t = () => props.model.texts();
  const snapshot = props.model.snapshot;
  const [form, setForm] = createSignal<AccountForm>(
    accountForm({ ...snapshot.sign_in, transport: snapshot.account?.transport ?? snapshot.sign_in.transport, options: snapshot.account?.options ?? snapshot.sign_in.options }),
  );
  const [checked, setChecked] = createSignal(false);
  const [moreOpen, setMoreOpen] = createSignal(false);
  const [asking, setAsking] = createSignal(false);
  let element!: HTMLFormElement;
  const change = (changed: Partial<AccountForm>): void => {
    setForm((before) => ({ ...before, ...changed }));
  };

  // The password that the program knows belongs to the account that it filled in.
  const passwordKnown = () =>
    snapshot.sign_in.password_known && form().server === snapshot.sign_in.server && form().user === snapshot.sign_in.user;
  const working = () => snapshot.registration.state !== "offline" || props.model.busy("sign_in");
  const failure = () => (snapshot.registration.state === "offline" ? snapshot.registration.failure : null);
  const faults = () => (checked() ? accountFaults(form()) : {});

  const send = (): void => {
    setChecked(true);
    const wrong = accountFaults(form());
    if (Object.keys(wrong).some((field) => field !== "server" && field !== "user")) setMoreOpen(true);
    if (working()) return;
    if (Object.keys(wrong).length > 0) {
      showFirstFault(element);
      return;
    }
    void props.model.run("sign_in", signInOf(form()));
  };
  // A failure is told at the top; whoever pressed the button may have scrolled away from it.
  createEffect(() => {
    if (!working() && failure() !== null) queueMicrotask(() => element.querySelector(".form-error")?.scrollIntoView({ block: "nearest" }));
  });
  const fields = () => ({ model: props.model, form: form(), change, faults: faults(), disabled: working(), testid: "sign-in" });

  return (
    <form
      ref={element}
      class="view sign-in"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
      novalidate
      aria-label={t().signIn.title}
      data-testid="sign-in-form"
    >
      <div class="scroll">
        <h1 class="view-title">{t().signIn.title}</h1>
        <Show when={passwordKnown() && failure() === null}>
          <p class="demo-hint">
            <strong>{t().signIn.demoTitle}</strong> {t().signIn.demoHint}
          </p>
        </Show>
        <Show when={!working() && failure()}>
          {(reason) => (
            <div class="form-error" role="alert" data-testid="sign-in-error" data-code={reason().code}>
              <Icon name={reason().certificate === null ? "circle-alert" : "shield-alert"} size={16} />
              <div class="form-error-text">
                <p class="form-error-title">
                  {t().registrationFailure[reason().code].title}
                  <Show when={reason().status}>{(status) => <span class="status-code">{t().sipStatus(status())}</span>}</Show>
                </p>
                <Show when={reason().certificate}>{(certificate) => <p data-testid="certificate-fault">{t().certificateFault[certificate().fault]}</p>}</Show>
                <p>{t().registrationFailure[reason().code].hint}</p>
                <Show when={reason().certificate}>
                  {(certificate) => (
                    <>
                      <p class="fingerprint-label">{t().trust.fingerprint}</p>
                      <p class="fingerprint" data-testid="certificate-fingerprint">
                        {fingerprintLines(certificate().fingerprint)}
                      </p>
                      <Show when={!BEYOND_TRUST.has(certificate().fault)}>
                        <button type="button" class="button" data-testid="trust-ask" onClick={() => setAsking(true)}>
                          {t().trust.ask}
                        </button>
                      </Show>
                    </>
                  )}
                </Show>
              </div>
            </div>
          )}
        </Show>
        <TextInput
          model={props.model}
          label={t().signIn.server}
          placeholder={t().signIn.serverHint}
          value={form().server}
          onInput={(server) => change({ server })}
          disabled={working()}
          fault={faults().server}
          testid="sign-in-server"
        />
        <TextInput
          model={props.model}
          label={t().signIn.user}
          value={form().user}
          onInput={(user) => change({ user })}
          disabled={working()}
          autocomplete="username"
          fault={faults().user}
          testid="sign-in-user"
        />
        <PasswordInput
          model={props.model}
          value={form().password}
          onInput={(password) => change({ password })}
          disabled={working()}
          placeholder={passwordKnown() ? t().signIn.passwordKnown : ""}
          testid="sign-in-password"
        />
        <TransportChoice {...fields()} />
        <details class="more" open={moreOpen()} onToggle={(event) => setMoreOpen(event.currentTarget.open)}>
          <summary data-testid="sign-in-more">{t().signIn.more}</summary>
          <AccountOptionFields {...fields()} />
        </details>
      </div>
      <div class="foot">
        <Show
          when={working()}
          fallback={
            <button type="submit" class="button primary wide" data-testid="sign-in-submit">
              {t().signIn.submit}
            </button>
          }
        >
          <div class="progress" role="status" data-testid="sign-in-progress">
            <span class="spinner" aria-hidden="true" />
            <span class="progress-text">
              {snapshot.registration.state === "unregistering" ? t().signIn.signingOut : t().signIn.progress}
            </span>
            <Show when={snapshot.registration.state === "registering" && snapshot.agent.allowed.includes("sign_out")}>
              <button type="button" class="button quiet" data-testid="sign-in-cancel" onClick={() => void props.model.run("sign_out", {})}>
                {t().header.cancelSignIn}
              </button>
            </Show>
          </div>
        </Show>
      </div>
      <Show when={asking() && failure()?.certificate}>
        {(certificate) => (
          <TrustDialog
            model={props.model}
            server={form().server}
            certificate={certificate()}
            onClose={() => setAsking(false)}
            onTrust={() => {
              const fingerprint = certificate().fingerprint;
              setAsking(false);
              setForm((before) => withPinned(before, fingerprint));
              send();
            }}
          />
        )}
      </Show>
    </form>
  );
}
