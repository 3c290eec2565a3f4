// One document in one list: as it was retrieved, and as it was ranked.

import { h, said } from "./dom.js";
import { codePoints, passage, showPart, snippet } from "./passage.js";
import { direction } from "./ranking.js";

const ARROWS = { up: "▲", down: "▼", same: "=" };

export function retrievedRow(text, index) {
  return h(
    "li",
    { class: "row retrieved", "data-index": index },
    h("span", { class: "rank" }, String(index + 1)),
    h("span", { class: "text" }, snippet(text)),
  );
}

/** `read` is the part that was read of a document that was cut, once it is known. */
export function rankedRow(row, text, { scale, digits, read }) {
  const best = row.span && isPart(row.span, text) ? row.span : undefined;
  const id = `passage-${crypto.getRandomValues(new Uint32Array(2)).join("")}`;
  const body = h("div", { class: "body", id, hidden: true });
  const head = h(
    "button",
    { class: "head", type: "button", "aria-expanded": "false", "aria-controls": id },
    h("span", { class: "rank" }, String(row.rank)),
    moved(row),
    bar(row, scale),
    said("score"),
    h("span", { class: "score" }, row.relevance_score === null ? "—" : row.relevance_score.toFixed(digits)),
    h("span", { class: "text" }, snippet(text, best)),
    tag(row, text, { best, read }),
  );
  head.addEventListener("click", () => {
    const open = head.getAttribute("aria-expanded") === "false";
    head.setAttribute("aria-expanded", String(open));
    body.replaceChildren(...(open ? [passage(row.index, text, { best, read })] : []));
    body.hidden = !open;
    if (open) showPart(body.firstElementChild);
  });
  return h("li", { class: `row ranked ${direction(row)}`, "data-index": row.index }, head, body);
}

function moved(row) {
  const way = direction(row);
  const words = way === "same" ? "stayed" : `${way} ${Math.abs(row.rose)}, was ${row.index + 1}`;
  const number = way === "same" ? "" : Math.abs(row.rose);
  return h("span", { class: "moved" }, h("span", { "aria-hidden": "true" }, `${ARROWS[way]}${number}`), said(words));
}

function bar({ relevance_score: score }, { least, greatest }) {
  const fill = h("span", { class: "fill" });
  fill.style.inlineSize = score === null ? "0" : `${(100 * (score - least)) / (greatest - least)}%`;
  return h("span", { class: "track", "aria-hidden": "true" }, fill);
}

/** What a reader has to know: cut and where, which part counted, or why there is no score. */
function tag(row, text, { best, read }) {
  if (row.unscored) return h("span", { class: "tag warn" }, `no score: ${row.unscored}`);
  if (best) return extent("best part", best, text, "best");
  if (!row.truncated) return null;
  return read ? extent("cut: read", read, text, "read") : h("span", { class: "tag warn" }, "cut");
}

/** A document that fits is one chunk: all of it. */
const isPart = ({ start, end }, text) => start > 0 || end < codePoints(text);

function extent(words, { start, end }, text, kind) {
  const length = codePoints(text);
  const [from, to] = [start, end].map((place) => Math.round((100 * place) / length));
  const part = h("span", { class: "part" });
  part.style.insetInlineStart = `${from}%`;
  part.style.inlineSize = `${to - from}%`;
  return h(
    "span",
    { class: `tag ${kind === "read" ? "warn" : ""}` },
    `${words} ${from}–${to} %`,
    h("span", { class: `strip ${kind}`, "aria-hidden": "true" }, part),
  );
}
