import { createUniqueId, For, Show, type JSX } from "solid-js";

import type { DtmfMode, KeepAlive, Transport } from "../../ipc/generated";
import { mayUseTls, type AccountFault, type AccountForm } from "../account";
import { Icon } from "../icons/Icon";
import type { Model } from "../model";

const TRANSPORTS: readonly Transport[] = ["udp", "tcp", "tls", "ws", "wss", "auto"];
const DTMF: readonly DtmfMode[] = ["rtp", "info_relay", "info"];
const KEEP_ALIVE: readonly KeepAlive[] = ["crlf", "stun"];

export type AccountFieldsProps = {
  model: Model;
  form: AccountForm;
  change: (change: Partial<AccountForm>) => void;
  faults: Partial<Record<keyof AccountForm, AccountFault>>;
  disabled: boolean;
  testid: string;
};

type TextField = { [K in keyof AccountForm]: AccountForm[K] extends string ? K : never }[keyof AccountForm];

/** Over which transport the server is reached. */
export function TransportChoice(props: AccountFieldsProps) {
  const t = () => props.model.texts();
  const name = createUniqueId();
  return (
    <fieldset class="segments" disabled={props.disabled}>
      <legend>{t().signIn.transport}</legend>
      <div class="segment-row">
        <For each={TRANSPORTS}>
          {(transport) => (
            <label class="segment">
              <input
                type="radio"
                name={name}
                value={transport}
                checked={props.form.transport === transport}
                data-testid={`${props.testid}-transport-${transport}`}
                onChange={() => props.change({ transport })}
              />
              <span>{t().transport[transport]}</span>
            </label>
          )}
        </For>
      </div>
    </fieldset>
  );
}

/** What most accounts leave as it is, in groups. */
export function AccountOptionFields(props: AccountFieldsProps) {
  const t = () => props.model.texts();
  const text = (name: TextField, testid: string, label: string, placeholder?: string, hint?: string) => (
    <TextInput
      model={props.model}
      label={label}
      value={props.form[name]}
      fault={props.faults[name]}
      disabled={props.disabled}
      placeholder={placeholder}
      hint={hint}
      testid={`${props.testid}-${testid}`}
      onInput={(value) => props.change({ [name]: value })}
    />
  );
  return (
    <>
      <Group title={t().account.identity}>
        {text("displayName", "display-name", t().signIn.displayName, t().signIn.displayNameHint)}
        {text("domain", "domain", t().signIn.domain, t().signIn.domainHint)}
        {text("authUser", "auth-user", t().signIn.authUser, t().signIn.authUserHint)}
      </Group>
      <Show when={mayUseTls(props.form.transport)}>
        <Group title={t().account.security}>
          {text("trustFile", "trust-file", t().account.trustFile, t().account.pemHint)}
          {text("clientCertificate", "client-certificate", t().account.clientCertificate, t().account.pemHint)}
          {text("clientKey", "client-key", t().account.clientKey, t().account.pemHint)}
          <TextArea
            model={props.model}
            label={t().account.pinned}
            placeholder={t().account.pinnedHint}
            value={props.form.pinned}
            fault={props.faults.pinned}
            disabled={props.disabled}
            testid={`${props.testid}-pinned`}
            onInput={(pinned) => props.change({ pinned })}
          />
        </Group>
      </Show>
      <Group title={t().account.network}>
        <Show when={props.form.transport !== "udp"}>{text("proxy", "proxy", t().account.proxy, t().account.proxyHint)}</Show>
        <Select
          label={t().account.keepAlive}
          values={KEEP_ALIVE}
          text={(value) => t().keepAlive[value]}
          value={props.form.keepAlive}
          disabled={props.disabled}
          testid={`${props.testid}-keep-alive`}
          onChoose={(keepAlive) => props.change({ keepAlive })}
        />
        {text("sessionTimer", "session-timer", t().account.sessionTimer, "1800", t().account.sessionTimerHint)}
      </Group>
      <Group title={t().account.calls}>
        <Select
          label={t().account.dtmf}
          values={DTMF}
          text={(value) => t().dtmfMode[value]}
          value={props.form.dtmf}
          disabled={props.disabled}
          testid={`${props.testid}-dtmf`}
          onChoose={(dtmf) => props.change({ dtmf })}
        />
        {text("callLimit", "call-limit", t().account.callLimit, "2")}
        <Switch
          label={t().account.autoAnswer}
          hint={t().account.autoAnswerHint}
          on={props.form.autoAnswer}
          disabled={props.disabled}
          testid={`${props.testid}-auto-answer`}
          onChange={(autoAnswer) => props.change({ autoAnswer })}
        />
        <Switch
          label={t().account.transferAccept}
          hint={t().account.transferAcceptHint}
          on={props.form.transferAccept}
          disabled={props.disabled}
          testid={`${props.testid}-transfer-accept`}
          onChange={(transferAccept) => props.change({ transferAccept })}
        />
        <Switch
          label={t().account.strangers}
          hint={t().account.strangersHint}
          on={props.form.strangers}
          disabled={props.disabled}
          testid={`${props.testid}-strangers`}
          onChange={(strangers) => props.change({ strangers })}
        />
        <Switch
          label={t().account.gruu}
          hint={t().account.gruuHint}
          on={props.form.gruu}
          disabled={props.disabled}
          testid={`${props.testid}-gruu`}
          onChange={(gruu) => props.change({ gruu })}
        />
      </Group>
    </>
  );
}

/** What a fault means, beside its field. */
export function faultText(model: Model, fault: AccountFault | undefined): string | undefined {
  const t = model.texts();
  switch (fault) {
    case undefined:
      return undefined;
    case "required":
      return t.signIn.required;
    case "pinned":
      return t.account.pinnedWrong;
    case "pair":
      return t.account.certificateAndKey;
    case "limit":
      return t.account.callLimitWrong;
    case "timer":
      return t.account.sessionTimerWrong;
  }
}

/** Takes the focus to the first field that is wrong, once the form shows which. */
export function showFirstFault(form: HTMLFormElement): void {
  queueMicrotask(() => form.querySelector<HTMLElement>("[aria-invalid=true]")?.focus());
}

function Group(props: { title: string; children: JSX.Element }) {
  const id = createUniqueId();
  return (
    <section class="field-group" aria-labelledby={id}>
      <h2 id={id}>{props.title}</h2>
      {props.children}
    </section>
  );
}

export type TextInputProps = {
  model: Model;
  label: string;
  value: string;
  onInput: (value: string) => void;
  testid: string;
  disabled?: boolean;
  fault?: AccountFault | undefined;
  hint?: string | undefined;
  placeholder?: string | undefined;
  type?: "text" | "password";
  autocomplete?: "username" | "current-password";
  children?: JSX.Element;
};

export function TextInput(props: TextInputProps) {
  const id = createUniqueId();
  const error = () => faultText(props.model, props.fault);
  const described = () => {
    if (error() !== undefined) return `${id}-error`;
    return props.hint === undefined ? undefined : `${id}-hint`;
  };
  return (
    <div class="field" classList={{ invalid: error() !== undefined }}>
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
          placeholder={props.placeholder ?? ""}
          aria-invalid={error() !== undefined}
          aria-describedby={described()}
          data-testid={props.testid}
          onInput={(event) => props.onInput(event.currentTarget.value)}
        />
        {props.children}
      </div>
      <Show when={error()} fallback={<Show when={props.hint}>{(hint) => <p class="field-hint" id={`${id}-hint`}>{hint()}</p>}</Show>}>
        <p class="field-error" id={`${id}-error`}>
          {error()}
        </p>
      </Show>
    </div>
  );
}

function TextArea(props: Omit<TextInputProps, "type" | "autocomplete" | "children" | "hint">) {
  const id = createUniqueId();
  const error = () => faultText(props.model, props.fault);
  return (
    <div class="field" classList={{ invalid: error() !== undefined }}>
      <label for={id}>{props.label}</label>
      <textarea
        id={id}
        class="text-area"
        rows={3}
        value={props.value}
        disabled={props.disabled}
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        placeholder={props.placeholder ?? ""}
        aria-invalid={error() !== undefined}
        aria-describedby={error() === undefined ? undefined : `${id}-error`}
        data-testid={props.testid}
        onInput={(event) => props.onInput(event.currentTarget.value)}
      />
      <Show when={error()}>
        <p class="field-error" id={`${id}-error`}>
          {error()}
        </p>
      </Show>
    </div>
  );
}

function Select<V extends string>(props: {
  label: string;
  values: readonly V[];
  text: (value: V) => string;
  value: V;
  disabled: boolean;
  testid: string;
  onChoose: (value: V) => void;
}) {
  const id = createUniqueId();
  return (
    <div class="field">
      <label for={id}>{props.label}</label>
      <div class="select-box">
        <select
          id={id}
          class="select"
          disabled={props.disabled}
          data-testid={props.testid}
          onChange={(event) => {
            const chosen = props.values.find((value) => value === event.currentTarget.value);
            if (chosen !== undefined) props.onChoose(chosen);
          }}
        >
          <For each={props.values}>
            {(value) => (
              <option value={value} selected={props.value === value}>
                {props.text(value)}
              </option>
            )}
          </For>
        </select>
        <Icon name="chevron-down" size={16} />
      </div>
    </div>
  );
}

function Switch(props: { label: string; hint: string; on: boolean; disabled: boolean; testid: string; onChange: (on: boolean) => void }) {
  const id = createUniqueId();
  return (
    <label class="check">
      <input
        type="checkbox"
        checked={props.on}
        disabled={props.disabled}
        aria-describedby={id}
        data-testid={props.testid}
        onChange={(event) => props.onChange(event.currentTarget.checked)}
      />
      <span>
        {props.label}
        <span class="field-hint" id={id}>
          {props.hint}
        </span>
      </span>
    </label>
  );
}
