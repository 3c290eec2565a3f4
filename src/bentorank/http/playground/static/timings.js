// Where the time of one answer went: the service's own stages, and the rest of the way from here and back.

import { h } from "./dom.js";

const STAGES = [
  ["queue", "waited"],
  ["tokenize", "tokenised"],
  ["inference", "model"],
];

export function timings({ body, ms }) {
  const { usage, timings_ms: stages } = body;
  const parts = STAGES.map(([stage, word]) => ({ stage, word, ms: stages[stage] }));
  parts.push({ stage: "way", word: "way and page", ms: Math.max(0, ms - stages.total) });
  return h(
    "div",
    { class: "timings" },
    h("p", {}, h("strong", {}, duration(stages.total)), ` on the service, ${duration(ms)} from here · ${cost(usage)}`),
    h("div", { class: "stack", "aria-hidden": "true" }, parts.map(segment)),
    h("p", { class: "legend" }, parts.map(({ stage, word, ms: part }) => h("span", { class: stage }, `${word} ${duration(part)}`))),
  );
}

export function duration(ms) {
  if (ms >= 1000) return `${(ms / 1000).toFixed(2)} s`;
  return `${ms.toFixed(ms < 10 ? 1 : 0)} ms`;
}

function segment({ stage, ms }) {
  const part = h("span", { class: stage });
  part.style.flexGrow = ms;
  return part;
}

function cost({ total_tokens: tokens, pairs, cached_pairs: remembered }) {
  const known = remembered ? `, ${remembered} remembered` : "";
  return `${tokens.toLocaleString("en")} tokens, ${pairs} ${pairs === 1 ? "pair" : "pairs"}${known}`;
}
