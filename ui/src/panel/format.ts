import type { DiversionReason, Texts } from "../i18n";
import type { Call, EndCause } from "../ipc/generated";

/** A span as a timer shows it: `00:07`, `12:34`, `1:02:03`. Negative spans (a clock set back) show as zero. */
export function timer(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  const rest = seconds % 60;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${two(minutes)}:${two(rest)}`;
}

/** Whole seconds that are left until `untilMs`, rounded up: a countdown shows 1 during its last second and ends at 0. */
export function secondsLeft(untilMs: number, nowMs: number): number {
  return Math.max(0, Math.ceil((untilMs - nowMs) / 1000));
}

/** The time of day, `09:05`, in the computer's time zone. */
export function timeOfDay(ms: number): string {
  const date = new Date(ms);
  return `${two(date.getHours())}:${two(date.getMinutes())}`;
}

/** The day as a heading: today, yesterday, or the date. */
export function day(ms: number, nowMs: number, texts: Texts): string {
  const age = Math.round((startOfDay(nowMs) - startOfDay(ms)) / 86_400_000);
  if (age === 0) return texts.calls.today;
  if (age === 1) return texts.calls.yesterday;
  const sameYear = new Date(ms).getFullYear() === new Date(nowMs).getFullYear();
  return new Intl.DateTimeFormat(texts.tag, {
    ...(sameYear ? {} : { year: "numeric" }),
    month: "short",
    day: "numeric",
    weekday: "short",
  }).format(ms);
}

/** Local midnight at or before `ms`. */
export function startOfDay(ms: number): number {
  const date = new Date(ms);
  return new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
}

/**
 * A number in groups as people read it: mainland mobiles 138 0013 8000, fixed lines 010 6552 9988 and 0755 8888 6666,
 * service numbers 400 810 8888, any of them behind +86. All others stay as they are.
 */
export function groupedNumber(number: string): string {
  const match = /^(\+86|0086)?(\d+)$/.exec(number);
  const digits = match?.[2];
  if (digits === undefined) return number;
  const groups = groupsOf(digits, match?.[1] !== undefined);
  if (groups === undefined) return number;
  return match?.[1] === undefined ? groups : `${match[1]} ${groups}`;
}

/** Who is at the other end, in one line. */
export function whoOf(call: Pick<Call, "name" | "number">, texts: Texts): string {
  return call.name ?? (groupedNumber(call.number) || texts.call.anonymous);
}

/** What a status says that ended an attempt to reach somebody, as the causes of calls name it. */
export function causeOfStatus(status: number | null): EndCause {
  switch (status) {
    case 486:
    case 600:
      return "busy";
    case 408:
    case 480:
    case 487:
      return "no_answer";
    case 404:
    case 410:
    case 484:
    case 604:
      return "not_found";
    case 401:
    case 403:
    case 407:
      return "forbidden";
    case 603:
    case 607:
    case 608:
      return "rejected";
    case 415:
    case 488:
    case 606:
      return "not_acceptable";
    default:
      return status !== null && status >= 500 && status < 600 ? "server_error" : "failed";
  }
}

/** A fingerprint in lines of eight octets, as people compare them. */
export function fingerprintLines(fingerprint: string): string {
  const octets = fingerprint.toUpperCase().split(":");
  const lines: string[] = [];
  for (let at = 0; at < octets.length; at += 8) lines.push(octets.slice(at, at + 8).join(":"));
  return lines.join("\n");
}

/** The reason of a diversion: words of RFC 5806, or the status that a History-Info names as its cause (RFC 7044). */
export function diversionReason(reason: string): DiversionReason {
  switch (reason.toLowerCase()) {
    case "user-busy":
    case "486":
    case "600":
      return "busy";
    case "no-answer":
    case "408":
      return "no_answer";
    case "unconditional":
    case "302":
    case "301":
      return "unconditional";
    case "unavailable":
    case "out-of-service":
    case "away":
    case "480":
    case "404":
    case "503":
      return "unavailable";
    case "deflection":
    case "603":
      return "deflected";
    default:
      return "other";
  }
}

function groupsOf(digits: string, international: boolean): string | undefined {
  if (/^1[3-9]\d{9}$/.test(digits)) return cut(digits, 3, 4, 4);
  if (/^[48]00\d{7}$/.test(digits)) return cut(digits, 3, 3, 4);
  if (international) {
    if (/^(10|2\d)\d{8}$/.test(digits)) return cut(digits, 2, 4, 4);
    return /^[3-9]\d{10}$/.test(digits) ? cut(digits, 3, 4, 4) : undefined;
  }
  if (/^0(10|2\d)\d{8}$/.test(digits)) return cut(digits, 3, 4, 4);
  if (/^0[3-9]\d{2}\d{8}$/.test(digits)) return cut(digits, 4, 4, 4);
  if (/^0[3-9]\d{2}\d{7}$/.test(digits)) return cut(digits, 4, 3, 4);
  return undefined;
}

function cut(digits: string, ...lengths: number[]): string {
  const groups: string[] = [];
  let at = 0;
  for (const length of lengths) {
    groups.push(digits.slice(at, at + length));
    at += length;
  }
  return groups.join(" ");
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}
