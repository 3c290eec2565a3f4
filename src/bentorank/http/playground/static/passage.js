// A document's text with the part marked that counts. The service counts in code points, JavaScript in code units.

import { h, said } from "./dom.js";

const LEAD_CHARS = 24;
const SNIPPET_CHARS = 320;

/** `text` in three: before, in and after `span`, whose bounds are code points. */
export function cutAt(text, { start, end }) {
  const [from, to] = [unitsAt(text, start), unitsAt(text, end)];
  return [text.slice(0, from), text.slice(from, to), text.slice(to)];
}

export function codePoints(text) {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

/** The beginning, or that of the best part, a little before it. */
export function snippet(text, span) {
  if (!span || span.start === 0) return text.slice(0, SNIPPET_CHARS);
  const begin = Math.max(0, unitsAt(text, span.start) - LEAD_CHARS);
  return `${begin ? "…" : ""}${text.slice(begin, begin + SNIPPET_CHARS)}`;
}

/** The whole text: the best part marked, or what was not read struck through. It scrolls, so keys must reach it. */
export function passage(index, text, parts) {
  const label = `Text of document ${index + 1}`;
  return h("div", { class: "passage", role: "group", "aria-label": label, tabindex: 0 }, marked(text, parts));
}

function marked(text, { best, read }) {
  if (best) {
    const [before, part, after] = cutAt(text, best);
    return [before, h("mark", {}, said("[best part] "), part, said(" [end]")), after];
  }
  if (!read) return [text];
  const [before, within, after] = cutAt(text, read);
  return [unread(before), within, unread(after)];
}

/** Bring what is marked, or where reading ended, into a long text's view. */
export function showPart(text) {
  const part = text.querySelector("mark, .unread");
  if (part) text.scrollTop = part.offsetTop - text.offsetTop - text.clientHeight / 3;
}

const unread = (text) => text && h("span", { class: "unread" }, said("[not read] "), text);

function unitsAt(text, points) {
  let units = 0;
  for (let passed = 0; passed < points && units < text.length; passed += 1) {
    units += text.codePointAt(units) > 0xffff ? 2 : 1;
  }
  return units;
}
