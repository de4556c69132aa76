import { expect, test } from "vitest";

import { accountFaults, accountForm, signInOf, withPinned, type AccountForm } from "./account";

const HEX = "0123456789abcdef".repeat(4);

function form(change: Partial<AccountForm> = {}): AccountForm {
  const filled = accountForm({ server: "pbx.example.com", user: "1001", display_name: "", transport: "tls", options: {} });
  return { ...filled, ...change };
}

test("an account that is filled in and sent unchanged is the same account", () => {
  const options = {
    tls: { trust_file: "/ca.pem", client_certificate: "/me.pem", client_key: "/me.key", pinned: [HEX] },
    proxy: "http://proxy:3128",
    keep_alive: "stun",
    dtmf: "info",
    auto_answer: true,
    call_limit: 4,
    transfer_accept: false,
    session_timer: 0,
    strangers: true,
    gruu: true,
  } as const;
  const filled = accountForm({ server: "pbx", user: "1", display_name: "陈静", transport: "wss", options: { ...options, tls: { ...options.tls, pinned: [HEX] } } });
  expect(accountFaults(filled)).toEqual({});
  expect(signInOf(filled)).toEqual({ server: "pbx", user: "1", display_name: "陈静", transport: "wss", options });
});

test("what stays at its default is not sent", () => {
  expect(signInOf(form())).toEqual({ server: "pbx.example.com", user: "1001", transport: "tls" });
});

test("options of TLS and of the proxy go only where they mean something", () => {
  const all = form({ trustFile: "/ca.pem", proxy: "http://proxy:1" });
  expect(signInOf(all).options).toEqual({ tls: { trust_file: "/ca.pem" }, proxy: "http://proxy:1" });
  expect(signInOf({ ...all, transport: "udp" }).options).toBeUndefined();
  expect(signInOf({ ...all, transport: "ws" }).options).toEqual({ proxy: "http://proxy:1" });
  expect(signInOf({ ...all, transport: "auto" }).options).toEqual({ tls: { trust_file: "/ca.pem" }, proxy: "http://proxy:1" });
});

test("faults are named by their field", () => {
  expect(accountFaults(form({ server: " ", user: "" }))).toEqual({ server: "required", user: "required" });
  for (const callLimit of ["0", "9", "1.5", "two"]) expect(accountFaults(form({ callLimit }))).toEqual({ callLimit: "limit" });
  for (const sessionTimer of ["89", "7201", "-1"]) expect(accountFaults(form({ sessionTimer }))).toEqual({ sessionTimer: "timer" });
  for (const sessionTimer of ["", "0", "90", "7200"]) expect(accountFaults(form({ sessionTimer }))).toEqual({});
  expect(accountFaults(form({ clientCertificate: "/me.pem" }))).toEqual({ clientKey: "pair" });
  expect(accountFaults(form({ clientKey: "/me.key" }))).toEqual({ clientCertificate: "pair" });
  expect(accountFaults(form({ clientKey: "/me.key", pinned: "x", transport: "udp" }))).toEqual({});
});

test("fingerprints are taken as other programs print them", () => {
  const colons = HEX.match(/../g)?.join(":").toUpperCase() ?? "";
  for (const pinned of [HEX, colons, `SHA256 Fingerprint=${colons}`, `sha256:${HEX}`, `\n${colons}\n\n${HEX};${HEX}`]) {
    expect(accountFaults(form({ pinned })), pinned).toEqual({});
  }
  expect(signInOf(form({ pinned: `SHA256 Fingerprint=${colons}\n` })).options).toEqual({ tls: { pinned: [colons] } });
  for (const pinned of [HEX.slice(1), `${HEX}00`, "any", `${HEX}\nany`]) {
    expect(accountFaults(form({ pinned })), pinned).toEqual({ pinned: "pinned" });
  }
});

test("a certificate is pinned once, beside those that were pinned before", () => {
  const colons = HEX.match(/../g)?.join(":").toUpperCase() ?? "";
  const other = "ab".repeat(32);
  expect(withPinned(form({ pinned: other }), colons).pinned).toBe(`${other}\n${colons}`);
  expect(withPinned(form({ pinned: HEX }), colons).pinned).toBe(HEX);
});
