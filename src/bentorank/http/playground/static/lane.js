// One way to rank, in a column of its own: its settings, its request, what came of it.

import { h, said } from "./dom.js";
import { summary } from "./ranking.js";
import { timings } from "./timings.js";

const LETTERS = "ABC";
export const MAX_LANES = LETTERS.length;

const OVERFLOWS = [
  ["", "as the service is set"],
  ["truncate", "cut them"],
  ["chunk", "split into chunks"],
  ["error", "refuse them"],
];

export class Lane {
  /** `models` are those that are served; `changed` and `removed` are called when the settings change, and when it is to go. */
  constructor({ models, settings = {}, changed, removed }) {
    this.outcome = null;
    this.read = new Map();
    this.list = h("ol", { class: "rows" });
    this.#title = h("h2");
    this.#about = h("div", { class: "about" });
    this.#inputs = inputs(models.names, settings);
    for (const input of Object.values(this.#inputs)) input.addEventListener("change", () => changed(this));
    this.#remove = h("button", { type: "button", class: "quiet", on: { click: () => removed(this) } }, "Remove");
    this.element = h(
      "section",
      { class: "lane" },
      h("header", {}, h("div", { class: "title" }, this.#title, this.#remove), this.#fields(models), this.#about),
      this.list,
    );
  }

  #title;
  #about;
  #inputs;
  #remove;
  #asking = null;

  /** Its place among the others, which names it. */
  name(place, { alone }) {
    this.letter = LETTERS[place];
    this.#title.replaceChildren(alone ? "Reranked" : `Reranked ${this.letter}`);
    this.#remove.hidden = alone;
    this.#remove.replaceChildren("Remove", said(` ${this.letter}`));
    this.element.setAttribute("aria-label", alone ? "Reranked" : `Reranked ${this.letter}`);
    for (const [name, input] of Object.entries(this.#inputs)) input.id = `${name}-${this.letter}`;
    for (const label of this.element.querySelectorAll("label")) label.htmlFor = `${label.dataset.for}-${this.letter}`;
  }

  /** What it adds to a request; nothing for what is left as the service is set. */
  get options() {
    const { model, overflow, tokens, instruction } = this.#inputs;
    const options = {};
    if (model?.value) options.model = model.value;
    if (overflow.value) options.overflow = overflow.value;
    if (Number(tokens.value) > 0) options.max_tokens_per_doc = Number(tokens.value);
    if (instruction.value.trim()) options.instruction = instruction.value.trim();
    return options;
  }

  get settings() {
    return Object.fromEntries(Object.entries(this.#inputs).map(([name, input]) => [name, input.value]));
  }

  /** Ask, unless a later question of this lane has taken this one's place. True once there is an outcome to show. */
  async rank(service, { query, documents, scoreMode, anew }) {
    this.#asking?.abort();
    const asking = new AbortController();
    this.#asking = asking;
    this.element.setAttribute("aria-busy", "true");
    const options = this.options;
    const body = { query, documents, score_mode: scoreMode, return_documents: false, ...options };
    try {
      const outcome = await service.post("rerank", body, { anew, signal: asking.signal });
      const read = outcome.ok ? await readParts(service, { query, documents, options }, outcome, asking.signal) : new Map();
      [this.outcome, this.read] = [outcome, read];
    } catch (error) {
      if (error.name === "AbortError") return false;
      throw error;
    }
    this.element.removeAttribute("aria-busy");
    return true;
  }

  /** Its head: what came of the last question. `rows` are those of the answer. */
  tell(rows) {
    if (!this.outcome) return this.#about.replaceChildren();
    if (!this.outcome.ok) return this.#about.replaceChildren(failure(this.outcome));
    const warnings = this.outcome.body.warnings.map((warning) => h("li", {}, warning));
    return this.#about.replaceChildren(
      h("p", { class: "summary" }, summary(rows)),
      timings(this.outcome),
      warnings.length ? h("ul", { class: "warnings", "aria-label": "Warnings" }, warnings) : "",
    );
  }

  #fields({ readInstructions }) {
    const { model, overflow, tokens, instruction } = this.#inputs;
    const field = (name, words, input) => h("div", { class: "setting" }, h("label", { "data-for": name }, words), input);
    return h(
      "div",
      { class: "settings" },
      model && field("model", "Model", model),
      field("overflow", "Long documents", overflow),
      h(
        "details",
        { open: Boolean(tokens.value || instruction.value) },
        h("summary", {}, "More"),
        field("tokens", "Most tokens of a document", tokens),
        readInstructions && field("instruction", "Instruction, for models that read one", instruction),
      ),
    );
  }
}

function inputs(models, { model = models[0], overflow = "", tokens = "", instruction = "" }) {
  const choices = h("select", {}, OVERFLOWS.map(([value, words]) => h("option", { value }, words)));
  choices.value = overflow;
  const all = {
    overflow: choices,
    tokens: h("input", { type: "number", min: 1, step: 1, value: tokens, placeholder: "what fits" }),
    instruction: h("input", { type: "text", value: instruction, spellcheck: "false" }),
  };
  if (models.length < 2) return all;
  const names = h("select", {}, models.map((name) => h("option", { value: name }, name)));
  names.value = model;
  return { model: names, ...all };
}

// As many as are looked at: each is read once more, to learn how far.
const MOST_READ_AGAIN = 20;

/** Of the first documents that were cut, which part was read: the one chunk that they are when they may have but one. */
async function readParts(service, { query, documents, options }, { body }, signal) {
  const cut = body.results.filter((result) => result.truncated && !result.span).slice(0, MOST_READ_AGAIN);
  if (!cut.length) return new Map();
  const again = {
    query,
    documents: cut.map((result) => documents[result.index]),
    ...options,
    overflow: "chunk",
    max_chunks_per_doc: 1,
    return_documents: false,
  };
  const answer = await service.post("rerank", again, { signal });
  if (!answer.ok) return new Map();
  return new Map(answer.body.results.filter(({ span }) => span).map(({ index, span }) => [cut[index].index, span]));
}

/** An error as the service tells it. */
function failure({ status, body, retryAfter }) {
  if (!body?.message) {
    const what = status ? `The service answered ${status}.` : "The service does not answer.";
    return h("div", { class: "failure", role: "alert" }, h("p", {}, what));
  }
  const wait = retryAfter === null ? "" : ` Come back in ${retryAfter} s.`;
  return h(
    "div",
    { class: "failure", role: "alert" },
    h("p", {}, h("strong", {}, `${status} ${body.code}`)),
    h("p", {}, body.message, wait),
    h("p", { class: "hint" }, `request ${body.request_id}`),
  );
}
