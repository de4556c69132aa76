import { createSignal, createUniqueId, For, Show, type JSX } from "solid-js";

import type { SignIn as SignInArguments, Transport } from "../../ipc/generated";
import { Icon } from "../icons/Icon";
import type { Model } from "../model";

const TRANSPORTS: readonly Transport[] = ["udp", "tcp", "tls", "ws", "wss"];

/** The sign-in form, prefilled by the program; it stays while the program is signing in or out. */
export function SignIn(props: { model: Model }) {
  const t = () => props.model.texts();
  const snapshot = props.model.snapshot;
  const prefill = snapshot.account ?? snapshot.sign_in;
  const [server, setServer] = createSignal(snapshot.sign_in.server);
  const [user, setUser] = createSignal(snapshot.sign_in.user);
  const [password, setPassword] = createSignal("");
  const [visible, setVisible] = createSignal(false);
  const [transport, setTransport] = createSignal<Transport>(prefill.transport);
  const [displayName, setDisplayName] = createSignal(snapshot.sign_in.display_name);
  const [domain, setDomain] = createSignal("");
  const [authUser, setAuthUser] = createSignal("");
  const [checked, setChecked] = createSignal(false);

  // The password that the program knows belongs to the account that it filled in.
  const passwordKnown = () =>
    snapshot.sign_in.password_known && server() === snapshot.sign_in.server && user() === snapshot.sign_in.user;
  const working = () => snapshot.registration.state !== "offline" || props.model.busy("sign_in");
  const failure = () => (snapshot.registration.state === "offline" ? snapshot.registration.failure : null);
  const missing = (value: string) => checked() && value.trim() === "";

  const submit = (event: Event): void => {
    event.preventDefault();
    setChecked(true);
    if (working() || server().trim() === "" || user().trim() === "") return;
    const args: SignInArguments = { server: server().trim(), user: user().trim(), transport: transport() };
    if (password() !== "") args.password = password();
    if (displayName().trim() !== "") args.display_name = displayName().trim();
    if (domain().trim() !== "") args.domain = domain().trim();
    if (authUser().trim() !== "") args.auth_user = authUser().trim();
    void props.model.run("sign_in", args);
  };

  return (
    <form class="view sign-in" onSubmit={submit} novalidate aria-label={t().signIn.title} data-testid="sign-in-form">
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
              <Icon name="circle-alert" size={16} />
              <div>
                <p class="form-error-title">
                  {t().registrationFailure[reason().code].title}
                  <Show when={reason().status}>{(status) => <span class="status-code">{t().sipStatus(status())}</span>}</Show>
                </p>
                <p>{t().registrationFailure[reason().code].hint}</p>
              </div>
            </div>
          )}
        </Show>
        <Field
          label={t().signIn.server}
          hint={t().signIn.serverHint}
          value={server()}
          onInput={setServer}
          disabled={working()}
          error={missing(server()) ? t().signIn.required : undefined}
          testid="sign-in-server"
        />
        <Field
          label={t().signIn.user}
          value={user()}
          onInput={setUser}
          disabled={working()}
          autocomplete="username"
          error={missing(user()) ? t().signIn.required : undefined}
          testid="sign-in-user"
        />
        <Field
          label={t().signIn.password}
          value={password()}
          onInput={setPassword}
          disabled={working()}
          type={visible() ? "text" : "password"}
          autocomplete="current-password"
          placeholder={passwordKnown() ? t().signIn.passwordKnown : ""}
          testid="sign-in-password"
        >
          <button
            type="button"
            class="icon-button small in-field"
            aria-label={visible() ? t().signIn.hidePassword : t().signIn.showPassword}
            title={visible() ? t().signIn.hidePassword : t().signIn.showPassword}
            aria-pressed={visible()}
            onClick={() => setVisible(!visible())}
          >
            <Icon name={visible() ? "eye-off" : "eye"} size={16} />
          </button>
        </Field>
        <fieldset class="segments" disabled={working()}>
          <legend>{t().signIn.transport}</legend>
          <div class="segment-row">
            <For each={TRANSPORTS}>
              {(name) => (
                <label class="segment">
                  <input
                    type="radio"
                    name="transport"
                    value={name}
                    checked={transport() === name}
                    data-testid={`sign-in-transport-${name}`}
                    onChange={() => setTransport(name)}
                  />
                  <span>{t().transport[name]}</span>
                </label>
              )}
            </For>
          </div>
        </fieldset>
        <details class="more">
          <summary data-testid="sign-in-more">{t().signIn.more}</summary>
          <Field label={t().signIn.displayName} hint={t().signIn.displayNameHint} value={displayName()} onInput={setDisplayName} disabled={working()} testid="sign-in-display-name" />
          <Field label={t().signIn.domain} hint={t().signIn.domainHint} value={domain()} onInput={setDomain} disabled={working()} testid="sign-in-domain" />
          <Field label={t().signIn.authUser} hint={t().signIn.authUserHint} value={authUser()} onInput={setAuthUser} disabled={working()} testid="sign-in-auth-user" />
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
    </form>
  );
}

function Field(props: {
  label: string;
  value: string;
  onInput: (value: string) => void;
  testid: string;
  disabled?: boolean;
  hint?: string;
  error?: string | undefined;
  type?: "text" | "password";
  autocomplete?: "username" | "current-password";
  placeholder?: string;
  children?: JSX.Element;
}) {
  const id = createUniqueId();
  return (
    <div class="field" classList={{ invalid: props.error !== undefined }}>
      <label for={id}>{props.label}</label>
      <div class="field-box">
        <input
          id={id}
          type={props.type ?? "text"}
          value={props.value}
          disabled={props.disabled}
          autocomplete={props.autocomplete ?? "off"}
          autocapitalize="off"
          spellcheck={false}
          placeholder={props.placeholder ?? props.hint ?? ""}
          aria-invalid={props.error !== undefined}
          aria-describedby={props.error === undefined ? undefined : `${id}-error`}
          data-testid={props.testid}
          onInput={(event) => props.onInput(event.currentTarget.value)}
        />
        {props.children}
      </div>
      <Show when={props.error}>
        <p class="field-error" id={`${id}-error`}>
          {props.error}
        </p>
      </Show>
    </div>
  );
}
