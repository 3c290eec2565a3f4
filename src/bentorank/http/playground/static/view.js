// How the scores are told and what of the ranking is kept: score mode, threshold, top n.

import { byId, h } from "./dom.js";
import { scale } from "./ranking.js";

const MODES = [
  ["probability", "Probability", "from 0 to 1"],
  ["logit", "Logit", "what the model says before it is made a probability"],
  ["model", "Model’s own", "by the activation that the model brings"],
];
const STEPS = 100;

export class View {
  /** `asked` is called when the service has to be asked again, `cut` when only less or more is kept, `added` for a lane. */
  constructor({ asked, cut, added }) {
    this.threshold = null;
    this.topN = null;
    this.#least = h("input", { type: "range", id: "threshold", min: 0, max: STEPS, value: 0 });
    this.#most = h("input", { type: "range", id: "top-n", min: 1, max: 1, value: 1 });
    this.#leastSaid = h("output", { for: "threshold" });
    this.#mostSaid = h("output", { for: "top-n" });
    this.#add = h("button", { type: "button", id: "compare", on: { click: added } }, "+ Compare");
    const moved = () => this.#read() || cut();
    for (const slider of [this.#least, this.#most]) slider.addEventListener("input", moved);
    byId("view").append(
      modes((mode) => {
        this.scoreMode = mode;
        [this.threshold, this.#least.value] = [null, 0];
        asked();
      }),
      h("div", { class: "slider" }, h("label", { for: "threshold" }, "Threshold"), this.#least, this.#leastSaid),
      h("div", { class: "slider" }, h("label", { for: "top-n" }, "Top n"), this.#most, this.#mostSaid),
      this.#add,
    );
    this.#tell();
  }

  scoreMode = "probability";
  #least;
  #most;
  #leastSaid;
  #mostSaid;
  #add;
  #scale = { least: 0, greatest: 1 };

  /** Fit the sliders to these rows, keeping where they stand. */
  fit(lists) {
    this.#scale = scale(lists.flat());
    const count = Math.max(1, ...lists.map((rows) => rows.length));
    this.#most.max = count;
    this.#most.value = this.topN ?? count;
    this.#read();
  }

  allowMoreLanes(allowed) {
    this.#add.disabled = !allowed;
  }

  /** What of it is said in a request. */
  get options() {
    return {
      ...(this.topN === null ? {} : { top_n: this.topN }),
      ...(this.threshold === null ? {} : { score_threshold: this.threshold }),
      ...(this.scoreMode === "probability" ? {} : { score_mode: this.scoreMode }),
    };
  }

  #read() {
    const { least, greatest } = this.#scale;
    const place = Number(this.#least.value);
    this.threshold = place === 0 ? null : Number((least + ((greatest - least) * place) / STEPS).toFixed(3));
    this.topN = this.#most.value === this.#most.max ? null : Number(this.#most.value);
    this.#tell();
  }

  #tell() {
    this.#leastSaid.value = this.threshold === null ? "none" : this.threshold.toFixed(2);
    this.#mostSaid.value = this.topN === null ? "all" : String(this.topN);
    this.#least.setAttribute("aria-valuetext", this.#leastSaid.value);
    this.#most.setAttribute("aria-valuetext", this.#mostSaid.value);
  }
}

function modes(chosen) {
  const choice = ([value, words, title], position) =>
    h(
      "label",
      { title },
      h("input", { type: "radio", name: "mode", value, checked: position === 0, on: { change: () => chosen(value) } }),
      h("span", {}, words),
    );
  return h("fieldset", { class: "modes" }, h("legend", {}, "Scores"), MODES.map(choice));
}
