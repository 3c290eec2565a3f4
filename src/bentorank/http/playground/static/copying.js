// Tabs with the request as a program, and a button that copies what is shown.

import { byId, h } from "./dom.js";
import { snippets } from "./snippets.js";

export class Copying {
  constructor() {
    this.#tabs = h("div", { class: "tabs", role: "tablist", "aria-label": "Language" });
    this.#code = h("code");
    this.#of = h("select", { id: "copy-of", on: { change: () => this.#show() } });
    this.#said = h("span", { class: "hint", role: "status" });
    const copy = h("button", { type: "button", on: { click: () => this.#copy() } }, "Copy");
    this.#choice = h("div", { class: "setting" }, h("label", { for: "copy-of" }, "Of"), this.#of);
    byId("copying").append(
      h("div", { class: "title" }, h("h2", {}, "The same from a program"), this.#choice, this.#tabs, copy, this.#said),
      h("pre", { role: "tabpanel", id: "program", tabindex: 0, "aria-label": "Program" }, this.#code),
    );
    this.#tabs.addEventListener("keydown", (event) => this.#turn(event));
  }

  #tabs;
  #code;
  #of;
  #said;
  #choice;
  #programs = [];
  #language = 0;

  /** `requests` are `[letter, request]` of each lane; a first one without a letter stands alone. */
  offer(requests, { url, needsKey }) {
    const chosen = this.#of.value;
    this.#programs = new Map(requests.map(([letter, request]) => [letter, snippets({ url, request, needsKey })]));
    this.#of.replaceChildren(...requests.map(([letter]) => h("option", { value: letter }, letter)));
    if (this.#programs.has(chosen)) this.#of.value = chosen;
    this.#choice.hidden = requests.length < 2;
    this.#show();
  }

  #show() {
    const programs = this.#programs.get(this.#of.value) ?? [];
    this.#tabs.replaceChildren(...programs.map(([name], place) => this.#tab(name, place)));
    this.#code.replaceChildren(programs[this.#language]?.[1] ?? "");
    this.#said.replaceChildren();
  }

  #tab(name, place) {
    const selected = place === this.#language;
    const attributes = { role: "tab", type: "button", id: `tab-${place}`, "aria-controls": "program" };
    const choose = () => this.#choose(place);
    return h(
      "button",
      { ...attributes, "aria-selected": String(selected), tabindex: selected ? 0 : -1, on: { click: choose } },
      name,
    );
  }

  #choose(place) {
    this.#language = place;
    this.#show();
    byId(`tab-${place}`).focus();
  }

  #turn({ key }) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
    const count = this.#tabs.children.length;
    if (step && count) this.#choose((this.#language + step + count) % count);
  }

  async #copy() {
    const program = this.#code.textContent;
    try {
      await navigator.clipboard.writeText(program);
      this.#said.replaceChildren("Copied.");
    } catch {
      // Outside HTTPS and localhost there is no clipboard: mark it, so that one key press copies it.
      getSelection().selectAllChildren(this.#code);
      this.#said.replaceChildren("Selected: press Ctrl C.");
    }
  }
}
