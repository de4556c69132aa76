/** Marks that people write between digits, and characters that come along when a number is copied from a page. */
const MARKS = /[\s\u00a0\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff().\-–—―−/\u2010-\u2012（）·]/g;

/**
 * What is dialled when `text` is typed or pasted: full-width characters become plain ones, `tel:` and the marks between
 * digits go, words around a number go. SIP addresses and user names stay as they are. May be empty: nothing to dial.
 */
export function cleanNumber(text: string): string {
  const plain = text.normalize("NFKC").replace(/[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g, "").trim();
  if (/^sips?:/i.test(plain) || /^[^\s@]+@[^\s@]+$/.test(plain)) return plain;

  const number = plain.replace(/^tel:/i, "").replace(/;.*$/s, "").replace(MARKS, "");
  if (/^\+?[\d*#]+$/.test(number)) return number;
  // A user name, as PBXs allow them: one word of plain letters.
  if (/^[a-z][\w.!~*'+-]*$/i.test(plain)) return plain;
  // Words around a number, as in 电话：138-0013-8000 (张先生): the longest run of digits is meant.
  const runs = plain.replace(MARKS, "").match(/\+?[\d*#]{3,}/g) ?? [];
  return runs.reduce((longest, run) => (run.length > longest.length ? run : longest), "");
}

/** Whether `key` (of a keyboard event) is one that the dial pad types. */
export function isDialKey(key: string): boolean {
  return /^[\d*#+]$/.test(key);
}

/** Whether `key` is a DTMF digit of the keypad. */
export function isDtmfKey(key: string): boolean {
  return /^[\d*#]$/.test(key);
}
