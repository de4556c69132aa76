import { createEffect, createSignal, For, on, onCleanup, Show } from "solid-js";

import type { CallRecord } from "../../ipc/generated";
import { day } from "../format";
import { Icon } from "../icons/Icon";
import type { Model } from "../model";
import { CallDetails } from "../parts/CallDetails";
import { CallRow } from "../parts/CallRow";

const PAGE = 50;
/** Typing pauses this long before the list is searched, ms. */
const PAUSE_MS = 180;

type List = { state: "loading" } | { state: "failed" } | { state: "read"; calls: readonly CallRecord[]; total: number; search: string };

/** The calls, newest first, searched and read page by page. */
export function CallList(props: { model: Model; wide: boolean }) {
  const t = () => props.model.texts();
  const [search, setSearch] = createSignal("");
  const [list, setList] = createSignal<List>({ state: "loading" });
  const [chosen, setChosen] = createSignal<number>();
  let reading = 0;

  const read = async (offset: number): Promise<void> => {
    const turn = ++reading;
    const wanted = search().trim();
    const before = list();
    const kept = offset > 0 && before.state === "read" ? before.calls : [];
    try {
      // What was shown stays shown: a change of the list reads as many rows again.
      const limit = offset === 0 && before.state === "read" && before.search === wanted ? Math.min(500, Math.max(PAGE, before.calls.length)) : PAGE;
      const page = await props.model.execute("calls", { offset, limit, ...(wanted === "" ? {} : { search: wanted }) });
      if (turn === reading) setList({ state: "read", calls: [...kept, ...page.calls], total: page.total, search: wanted });
    } catch {
      if (turn === reading) setList({ state: "failed" });
    }
  };

  createEffect(
    on([() => props.model.snapshot.call_list_rev, search], ([, text], previous) => {
      if (previous === undefined || previous[1] === text) {
        void read(0);
        return;
      }
      const pause = setTimeout(() => void read(0), PAUSE_MS);
      onCleanup(() => clearTimeout(pause));
    }),
  );

  const rows = () => {
    const now = list();
    return now.state === "read" ? now : undefined;
  };
  const heading = (index: number) => {
    const calls = rows()?.calls ?? [];
    const own = calls[index];
    if (own === undefined) return undefined;
    const label = day(own.started_ms, Date.now(), t());
    const above = calls[index - 1];
    return above !== undefined && day(above.started_ms, Date.now(), t()) === label ? undefined : label;
  };
  const chosenRecord = () => rows()?.calls.find(({ id }) => id === chosen());

  return (
    <div class="view calls" classList={{ split: props.wide }} data-testid="calls-view">
      <div class="calls-list">
        <div class="search" role="search">
          <Icon name="search" size={16} />
          <input
            type="text"
            inputmode="search"
            placeholder={t().calls.search}
            aria-label={t().calls.search}
            value={search()}
            data-testid="call-search"
            onInput={(event) => setSearch(event.currentTarget.value)}
            on:keydown={(event) => {
              if (event.key === "Escape" && search() !== "") {
                event.stopPropagation();
                setSearch("");
              }
            }}
          />
          <Show when={search() !== ""}>
            <button type="button" class="icon-button small" aria-label={t().calls.clearSearch} title={t().calls.clearSearch} onClick={() => setSearch("")}>
              <Icon name="x" size={16} />
            </button>
          </Show>
        </div>
        <div class="scroll" tabindex={-1}>
          <Show when={list().state === "failed"}>
            <div class="empty" role="alert" data-testid="calls-failed">
              <Icon name="circle-alert" size={28} />
              <p class="empty-title">{t().calls.failed}</p>
              <p class="muted">{t().error.storage}</p>
              <button type="button" class="button" data-testid="calls-retry" onClick={() => void read(0)}>
                {t().panel.retry}
              </button>
            </div>
          </Show>
          <Show when={list().state === "loading"}>
            <p class="empty muted" role="status">
              {t().calls.loading}
            </p>
          </Show>
          <Show when={rows()}>
            {(read_) => (
              <Show
                when={read_().calls.length > 0}
                fallback={
                  <div class="empty" data-testid="calls-empty">
                    <Icon name={read_().search === "" ? "history" : "search"} size={28} />
                    <p class="empty-title">{read_().search === "" ? t().calls.empty : t().calls.nothingFound(read_().search)}</p>
                    <Show
                      when={read_().search !== ""}
                      fallback={<p class="muted">{t().calls.emptyHint}</p>}
                    >
                      <button type="button" class="button" onClick={() => setSearch("")}>
                        {t().calls.clearSearch}
                      </button>
                    </Show>
                  </div>
                }
              >
                <ul class="rows" aria-label={t().calls.title} data-testid="call-list">
                  <For each={read_().calls}>
                    {(record, index) => (
                      <>
                        <Show when={heading(index())}>{(label) => <li class="day">{label()}</li>}</Show>
                        <CallRow
                          model={props.model}
                          record={record}
                          chosen={chosen() === record.id}
                          onChoose={() => setChosen(chosen() === record.id ? undefined : record.id)}
                        />
                        <Show when={!props.wide && chosen() === record.id}>
                          <li class="row-details">
                            <CallDetails model={props.model} record={record} />
                          </li>
                        </Show>
                      </>
                    )}
                  </For>
                </ul>
                <div class="more-rows">
                  <Show when={read_().calls.length < read_().total}>
                    <button type="button" class="button quiet" data-testid="calls-more" onClick={() => void read(read_().calls.length)}>
                      {t().calls.more}
                    </button>
                  </Show>
                  <p class="muted" data-testid="calls-count">
                    {t().calls.count(read_().calls.length, read_().total)}
                  </p>
                </div>
              </Show>
            )}
          </Show>
        </div>
      </div>
      <Show when={props.wide}>
        <aside class="calls-detail" aria-label={t().calls.details}>
          <Show
            when={chosenRecord()}
            fallback={
              <div class="empty">
                <Icon name="history" size={28} />
                <p class="empty-title">{t().calls.choose}</p>
                <p class="muted">{t().calls.chooseHint}</p>
              </div>
            }
          >
            {(record) => <CallDetails model={props.model} record={record()} />}
          </Show>
        </aside>
      </Show>
    </div>
  );
}
