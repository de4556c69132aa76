import { createSignal, For, Show } from "solid-js";

import { groupedNumber, timeOfDay } from "../format";
import { Icon } from "../icons/Icon";
import type { Message, Model } from "../model";

/** Messages that came in: the newest one, until the others are asked for. Each can be answered. */
export function Messages(props: { model: Model }) {
  const t = () => props.model.texts();
  const [all, showAll] = createSignal(false);
  const shown = () => (all() ? props.model.messages() : props.model.messages().slice(0, 1));
  return (
    <div class="notices messages" role="log" aria-label={t().message.title}>
      <For each={shown()}>{(message) => <MessageCard model={props.model} message={message} />}</For>
      <Show when={props.model.messages().length > 1}>
        <button type="button" class="notices-more" aria-expanded={all()} data-testid="messages-more" onClick={() => showAll(!all())}>
          {all() ? t().message.fewer : t().message.more(props.model.messages().length - 1)}
        </button>
      </Show>
    </div>
  );
}

function MessageCard(props: { model: Model; message: Message }) {
  const t = () => props.model.texts();
  const [text, setText] = createSignal("");
  const [open, setOpen] = createSignal(false);
  const readable = () => /^text\/plain\b/i.test(props.message.contentType) || props.message.contentType === "";
  const sender = () => groupedNumber(props.message.from) || t().call.anonymous;
  const reply = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (text().trim() === "") return;
    if (await props.model.reply(props.message, text().trim())) {
      setText("");
      setOpen(false);
    }
  };

  return (
    <article class="notice" data-level="info" aria-label={t().message.from(sender())} data-testid="message">
      <Icon name="message-square" size={16} />
      <div class="notice-text">
        <p class="notice-title">
          <span class="message-from" data-testid="message-from">
            {sender()}
          </span>{" "}
          <time class="message-time" dateTime={new Date(props.message.atMs).toISOString()}>
            {timeOfDay(props.message.atMs)}
          </time>
        </p>
        <p class="message-body" data-testid="message-body">
          {readable() ? props.message.body : t().message.notText(props.message.contentType)}
        </p>
        <Show when={props.message.reply}>
          {(sent) => (
            <p class="message-reply" data-state={sent().state} data-testid="message-reply">
              {sent().body} · {t().message[sent().state]}
              <Show when={sent().status}>{(status) => <span class="status-code">{t().sipStatus(status())}</span>}</Show>
            </p>
          )}
        </Show>
        <Show when={props.model.can("message") && props.message.from !== ""}>
          <Show
            when={open()}
            fallback={
              <button type="button" class="link" data-testid="message-answer" onClick={() => setOpen(true)}>
                {t().message.reply}
              </button>
            }
          >
            <form class="message-form" onSubmit={(event) => void reply(event)}>
              <input
                type="text"
                class="text-input"
                maxlength="1000"
                autocomplete="off"
                aria-label={t().message.replyTo(sender())}
                value={text()}
                data-testid="message-input"
                ref={(input) => queueMicrotask(() => input.focus())}
                onInput={(event) => setText(event.currentTarget.value)}
                on:keydown={(event) => {
                  if (event.key !== "Escape") return;
                  event.stopPropagation();
                  setOpen(false);
                }}
              />
              <button
                type="submit"
                class="icon-button small"
                aria-label={t().message.send}
                title={t().message.send}
                disabled={text().trim() === "" || props.model.busy("send_message")}
                data-testid="message-send"
              >
                <Icon name="send" size={16} />
              </button>
            </form>
          </Show>
        </Show>
      </div>
      <button
        type="button"
        class="icon-button small"
        aria-label={t().message.dismiss}
        title={t().message.dismiss}
        data-testid="message-dismiss"
        onClick={() => props.model.dismissMessage(props.message.id)}
      >
        <Icon name="x" size={16} />
      </button>
    </article>
  );
}
