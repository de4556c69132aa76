import { describe, expect, test } from "vitest";

import { allTexts, textsOf } from "../i18n";
import { causeOfStatus, day, diversionReason, fingerprintLines, groupedNumber, secondsLeft, startOfDay, timer } from "./format";

describe("timer", () => {
  test.each([
    [0, "00:00"],
    [999, "00:00"],
    [1000, "00:01"],
    [59_999, "00:59"],
    [60_000, "01:00"],
    [3_599_000, "59:59"],
    [3_600_000, "1:00:00"],
    [36_610_000, "10:10:10"],
  ])("%i ms is %s", (ms, shown) => expect(timer(ms)).toBe(shown));

  test("a clock that was set back shows zero", () => expect(timer(-5000)).toBe("00:00"));
});

describe("secondsLeft", () => {
  test("the last second counts until it is over", () => {
    expect(secondsLeft(15_000, 0)).toBe(15);
    expect(secondsLeft(15_000, 1)).toBe(15);
    expect(secondsLeft(15_000, 14_999)).toBe(1);
    expect(secondsLeft(15_000, 15_000)).toBe(0);
    expect(secondsLeft(15_000, 20_000)).toBe(0);
  });
});

describe("groupedNumber", () => {
  test.each([
    ["13800138000", "138 0013 8000"],
    ["+8613800138000", "+86 138 0013 8000"],
    ["008613800138000", "0086 138 0013 8000"],
    ["4008108888", "400 810 8888"],
    ["01065529988", "010 6552 9988"],
    ["02165529988", "021 6552 9988"],
    ["075588886666", "0755 8888 6666"],
    ["07918888666", "0791 888 8666"],
    ["+862165529988", "+86 21 6552 9988"],
    ["+8675588886666", "+86 755 8888 6666"],
    ["1001", "1001"],
    ["95588", "95588"],
    ["+442079460000", "+442079460000"],
    ["sip:alice@example.com", "sip:alice@example.com"],
    ["", ""],
  ])("%s is read as %s", (number, shown) => expect(groupedNumber(number)).toBe(shown));

  test("no digit is lost or added", () => {
    for (const number of ["13800138000", "+8613800138000", "4008108888", "075588886666", "07918888666"]) {
      expect(groupedNumber(number).replaceAll(" ", "")).toBe(number);
    }
  });
});

describe("day", () => {
  const noon = new Date(2026, 2, 11, 12).getTime();

  test("today, yesterday, and dates before", () => {
    for (const texts of allTexts) {
      expect(day(new Date(2026, 2, 11, 0, 0, 1).getTime(), noon, texts)).toBe(texts.calls.today);
      expect(day(new Date(2026, 2, 10, 23, 59).getTime(), noon, texts)).toBe(texts.calls.yesterday);
      expect(day(new Date(2026, 2, 9, 23, 59).getTime(), noon, texts)).not.toBe(texts.calls.yesterday);
    }
    expect(day(new Date(2026, 2, 9).getTime(), noon, textsOf("zh-CN", []))).toContain("3月9日");
    expect(day(new Date(2025, 11, 31).getTime(), noon, textsOf("en", []))).toContain("2025");
  });

  test("a day begins at local midnight", () => {
    expect(startOfDay(noon)).toBe(new Date(2026, 2, 11).getTime());
  });
});

test("a status that ended a transfer is told as the ends of calls are", () => {
  expect([486, 480, 404, 603, 503, 488, 403, 500].map(causeOfStatus)).toEqual([
    "busy",
    "no_answer",
    "not_found",
    "rejected",
    "server_error",
    "not_acceptable",
    "forbidden",
    "server_error",
  ]);
  expect(causeOfStatus(null)).toBe("failed");
  expect(causeOfStatus(499)).toBe("failed");
});

test("reasons of a diversion are told alike, by word and by status", () => {
  expect(["user-busy", "486", "No-Answer", "408", "unconditional", "302", "something-else"].map(diversionReason)).toEqual([
    "busy",
    "busy",
    "no_answer",
    "no_answer",
    "unconditional",
    "unconditional",
    "other",
  ]);
});

test("a fingerprint is shown in four lines of eight octets", () => {
  const fingerprint = Array.from({ length: 32 }, (_, octet) => octet.toString(16).padStart(2, "0")).join(":");
  const lines = fingerprintLines(fingerprint).split("\n");
  expect(lines).toHaveLength(4);
  expect(lines[0]).toBe("00:01:02:03:04:05:06:07");
  expect(lines.join(":")).toBe(fingerprint.toUpperCase());
});
