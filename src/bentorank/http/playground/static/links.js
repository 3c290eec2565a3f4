// Lines between the places of one document in neighbouring lists. Decoration: the rows say the same in words.

import { svg } from "./dom.js";

const BEND = 0.5;

export class Links {
  constructor(board) {
    this.element = svg("svg", { class: "links", "aria-hidden": "true", focusable: "false" });
    this.#board = board;
    new ResizeObserver(() => this.draw()).observe(board);
  }

  #board;
  #lists = [];
  #frame = 0;

  /** `lists` are the lists from left to right; lines go from each to the next that stands beside it. */
  between(lists) {
    this.#lists = lists;
    this.draw();
  }

  draw() {
    cancelAnimationFrame(this.#frame);
    this.#frame = requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    const board = this.#board.getBoundingClientRect();
    const places = this.#lists.map((list) => placesIn(list, board));
    const paths = places.slice(1).flatMap((right, number) => pathsBetween(places[number], right));
    this.element.setAttribute("viewBox", `0 0 ${board.width} ${board.height}`);
    this.element.replaceChildren(...paths);
  }
}

/** By document: the row's left and right edge, the middle of its head, and its classes. */
function placesIn(list, board) {
  return new Map(
    [...list.children].map((row) => {
      const head = (row.classList.contains("retrieved") ? row : row.firstElementChild).getBoundingClientRect();
      const { left, right, top, height } = head;
      const place = { left: left - board.left, right: right - board.left, y: top - board.top + height / 2, row };
      return [row.dataset.index, place];
    }),
  );
}

function pathsBetween(left, right) {
  const paths = [];
  for (const [index, to] of right) {
    const from = left.get(index);
    if (!from || from.right > to.left) continue;
    const middle = (to.left - from.right) * BEND;
    const d = `M${from.right},${from.y}C${from.right + middle},${from.y},${to.left - middle},${to.y},${to.left},${to.y}`;
    const way = ["up", "down", "same"].find((name) => to.row.classList.contains(name));
    const out = to.row.classList.contains("out") ? "out" : "";
    paths.push(svg("path", { class: `${way} ${out}`, d, "data-index": index }));
  }
  return paths;
}
