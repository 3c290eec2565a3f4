// The lists beside each other: as retrieved, and as each lane ranked, with lines between them.

import { h } from "./dom.js";
import { Links } from "./links.js";
import { kept, placed, scale } from "./ranking.js";
import { rankedRow, retrievedRow } from "./row.js";

// More rows than anybody reads would only make the page slow.
const FIRST_ROWS = 100;

export class Board {
  constructor(element) {
    this.#element = element;
    this.#retrieved = h("ol", { class: "rows" });
    this.#count = h("p", { class: "summary" });
    this.#links = new Links(element);
    this.#origin = h(
      "section",
      { class: "lane origin", "aria-label": "Retrieved" },
      h("header", {}, h("div", { class: "title" }, h("h2", {}, "Retrieved")), this.#count),
      this.#retrieved,
    );
    for (const event of ["pointerover", "focusin"]) element.addEventListener(event, ({ target }) => this.#light(target));
    for (const event of ["pointerleave", "focusout"]) element.addEventListener(event, () => this.#light(null));
  }

  #element;
  #retrieved;
  #count;
  #links;
  #origin;
  #lanes = [];
  #ranked = [];
  #documents = [];
  #all = false;

  /** Put the lanes into the board. */
  arrange(lanes) {
    this.#lanes = lanes;
    lanes.forEach((lane, place) => lane.name(place, { alone: lanes.length === 1 }));
    this.#element.dataset.lanes = lanes.length;
    this.#element.replaceChildren(this.#links.element, this.#origin, ...lanes.map((lane) => lane.element));
  }

  /** Show what the lanes have, as the view wants it; gives each lane's rows. */
  show(documents, view) {
    if (documents !== this.#documents) this.#all = false;
    this.#documents = documents;
    this.#ranked = this.#lanes.map(({ outcome }) => (outcome?.ok ? placed(outcome.body.results) : []));
    const rows = this.#ranked.flat();
    const digits = view.scoreMode === "probability" ? 3 : 2;
    const count = this.#all ? documents.length : FIRST_ROWS;
    this.#count.replaceChildren(`${documents.length} ${documents.length === 1 ? "document" : "documents"}, in this order`);
    this.#retrieved.replaceChildren(...documents.slice(0, count).map(retrievedRow));
    this.#lanes.forEach((lane, place) => {
      const look = { scale: scale(rows), digits };
      const shown = this.#ranked[place].slice(0, count);
      const made = shown.map((row) => rankedRow(row, documents[row.index], { ...look, read: lane.read.get(row.index) }));
      lane.list.replaceChildren(...made);
      lane.tell(this.#ranked[place]);
    });
    this.#offerTheRest(documents.length - count, view);
    this.cut(view);
    return this.#ranked;
  }

  /** Mark what threshold and top n would leave out. */
  cut(view) {
    this.#lanes.forEach((lane, place) => {
      const rows = this.#ranked[place];
      const stay = kept(rows, view);
      [...lane.list.children].forEach((row, position) => {
        row.classList.toggle("out", position >= stay);
        row.classList.toggle("first-out", position === stay);
      });
    });
    this.#links.between([this.#retrieved, ...this.#lanes.map((lane) => lane.list)]);
  }

  #offerTheRest(rest, view) {
    this.#element.querySelector(".rest")?.remove();
    if (rest <= 0) return;
    const all = () => {
      this.#all = true;
      this.show(this.#documents, view);
    };
    this.#element.append(h("button", { type: "button", class: "rest", on: { click: all } }, `Show ${rest} more`));
  }

  #light(target) {
    const index = target?.closest?.("[data-index]")?.dataset.index;
    if (this.#element.dataset.lit === index) return;
    if (index === undefined) delete this.#element.dataset.lit;
    else this.#element.dataset.lit = index;
    for (const part of this.#element.querySelectorAll("[data-index]")) {
      part.classList.toggle("lit", part.dataset.index === index);
    }
  }
}
