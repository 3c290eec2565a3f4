// The panel that says what to rank: examples, query, documents, and what is wrong with them.

import { byId, h } from "./dom.js";
import { readDocuments, writeDocuments } from "./documents.js";
import { bytesOf, problemsOf } from "./limits.js";

const OWN = "";

export class Asking {
  /** `asked` is called when the texts are to be ranked, `chose` with the example that was picked. */
  constructor({ examples, asked, chose, edited }) {
    this.limits = null;
    this.#examples = examples;
    byId("example").append(
      ...examples.map(({ name }, place) => h("option", { value: place }, name)),
      h("option", { value: OWN }, "Your own"),
    );
    byId("example").addEventListener("change", ({ target }) => {
      this.use(target.value === OWN ? { query: "", documents: [] } : examples[target.value]);
      chose(examples[target.value] ?? {});
    });
    for (const field of [byId("query"), byId("documents")]) {
      field.addEventListener("input", () => {
        byId("example").value = OWN;
        this.#take();
        edited();
      });
    }
    byId("ask").addEventListener("submit", (event) => {
      event.preventDefault();
      asked();
    });
    byId("ask").addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      asked();
    });
  }

  #examples;
  #read = { documents: [], said: "" };

  get anew() {
    return byId("anew").checked;
  }

  get texts() {
    return { query: byId("query").value, documents: this.#read.documents };
  }

  /** Fill the fields with an example's texts. */
  use({ query, documents, credit = "" }) {
    byId("query").value = query;
    byId("documents").value = documents.length ? writeDocuments(documents) : "";
    byId("example").value = this.#examples.findIndex((example) => example.query === query);
    if (!documents.length) byId("example").value = OWN;
    byId("credit").textContent = credit;
    this.#take();
  }

  /** Say what is wrong, `/info` being known by now, and whether nothing is. */
  check() {
    const body = { ...this.texts, return_documents: false };
    const problems = this.#read.problem
      ? [{ field: "documents", message: this.#read.problem }]
      : problemsOf(this.texts, bytesOf(body), this.limits);
    const mine = (field) => problems.some((problem) => problem.field.startsWith(field));
    byId("query").setAttribute("aria-invalid", String(mine("query")));
    byId("documents").setAttribute("aria-invalid", String(mine("documents") || mine("body")));
    byId("problems").replaceChildren(...problems.slice(0, 5).map(({ message }) => h("li", {}, message)));
    return problems.length === 0;
  }

  #take() {
    this.#read = readDocuments(byId("documents").value);
    if (this.#read.query !== undefined) byId("query").value = this.#read.query;
    byId("count").textContent = this.#read.said;
    if (byId("problems").children.length) this.check();
  }
}
