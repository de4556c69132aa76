import { describe, expect, test } from "vitest";

import { cleanNumber, isDialKey, isDtmfKey } from "./dialling";

describe("cleanNumber", () => {
  test.each([
    ["13800138000", "13800138000"],
    [" 138 0013 8000 ", "13800138000"],
    ["138-0013-8000", "13800138000"],
    ["(010) 6552.9988", "01065529988"],
    ["+86 138\u00a00013\u20118000", "+8613800138000"],
    ["１３８００１３８０００", "13800138000"],
    ["＋８６（２１）６５５２９９８８", "+862165529988"],
    ["tel:+86-21-6552-9988;ext=3", "+862165529988"],
    ["\u202a13800138000\u202c", "13800138000"],
    ["电话：138-0013-8000（张先生）", "13800138000"],
    ["Tel. 400 810 8888, ext. 12", "4008108888"],
    ["*98#", "*98#"],
    ["alice", "alice"],
    ["sip:alice@example.com;transport=tcp", "sip:alice@example.com;transport=tcp"],
    ["1001@10.0.0.2", "1001@10.0.0.2"],
    ["", ""],
    ["   ", ""],
    ["您好", ""],
  ])("%j dials %j", (text, dialled) => expect(cleanNumber(text)).toBe(dialled));

  test("cleaning twice changes nothing more", () => {
    for (const text of ["电话：138-0013-8000", "tel:+862165529988", "alice", "(010) 6552.9988"]) {
      expect(cleanNumber(cleanNumber(text))).toBe(cleanNumber(text));
    }
  });
});

test("the dial pad types digits, star, hash and plus; DTMF has no plus", () => {
  expect(Array.from("0123456789*#+").every(isDialKey)).toBe(true);
  expect(["a", "Enter", "", "12", " "].some(isDialKey)).toBe(false);
  expect(Array.from("0123456789*#").every(isDtmfKey)).toBe(true);
  expect(isDtmfKey("+")).toBe(false);
});
