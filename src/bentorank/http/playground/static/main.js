// From the fields to the board: learn what is served, ask each lane, show what came of it.

import { Asking } from "./asking.js";
import { Board } from "./board.js";
import { Copying } from "./copying.js";
import { byId, h } from "./dom.js";
import { Lane, MAX_LANES } from "./lane.js";
import { Service } from "./service.js";
import { offerThemes } from "./theme.js";
import { View } from "./view.js";

const service = new Service();
const board = new Board(byId("board"));
const copying = new Copying();
const view = new View({ asked: () => rank(), cut: showCut, added: compare });
let asking = null;
let lanes = [];
// Names, and whether any of them reads an instruction: true while the service does not say.
let models = { names: [], readInstructions: true };
let needsKey = false;
// What the board shows; the fields may be ahead of it.
let shown = { query: "", documents: [] };

offerThemes();
await begin();

async function begin() {
  const [examples, auth] = await Promise.all([
    fetch(new URL("examples.json", import.meta.url)).then((response) => response.json()),
    service.about("v1/cluster/auth"),
    tellWhatIsServed(),
  ]);
  needsKey = Boolean(auth.body?.auth);
  asking = new Asking({ examples, asked: () => rank(), chose, edited: () => byId("board").classList.add("stale") });
  asking.use(examples[0]);
  arrange([lane()]);
  board.show(asking.texts.documents, view);
  if (needsKey) askForKey();
  else await learn().then(rank);
}

/** Limits and models, which are for those who may use the service. */
async function learn() {
  const [info, list] = await Promise.all([service.about("info"), service.about("v1/models")]);
  asking.limits = info.body?.limits ?? null;
  const found = {
    names: list.body?.data?.map(({ id }) => id) ?? [],
    readInstructions: info.body?.models?.some((model) => model.takes_instruction) ?? true,
  };
  if (JSON.stringify(found) === JSON.stringify(models)) return;
  models = found;
  arrange(lanes.map(({ settings }) => lane(settings)));
}

async function tellWhatIsServed() {
  const { body } = await service.about("");
  if (!body?.model) return;
  const { model, engine, device, precision, max_tokens: window, version, endpoints } = body;
  byId("served").replaceChildren(h("strong", {}, model), ` ${engine} ${precision} on ${device} · reads ${window} tokens · ${version}`);
  byId("docs").hidden = !("GET /docs" in endpoints);
}

function askForKey() {
  const field = byId("key");
  byId("key-field").hidden = false;
  field.addEventListener("change", async () => {
    service.useKey(field.value);
    await learn();
    await rank();
  });
  field.focus();
}

async function rank(some = lanes) {
  if (!asking.check()) return;
  const texts = asking.texts;
  // A new text is for all lanes: none shows the ranking of another.
  const asked = texts.query === shown.query && texts.documents === shown.documents ? some : lanes;
  const question = { ...texts, scoreMode: view.scoreMode, anew: asking.anew };
  const done = await Promise.all(asked.map((one) => one.rank(service, question)));
  if (!done.every(Boolean)) return;
  shown = texts;
  byId("board").classList.remove("stale");
  view.fit(board.show(texts.documents, view));
  showCut();
  byId("said").textContent = lanes.map(told).join(" ");
}

/** One sentence for those who do not see the board. */
function told({ outcome, letter }) {
  const name = lanes.length === 1 ? "Ranked" : `Ranked ${letter}`;
  if (!outcome?.ok) return `${name}: failed.`;
  const [first] = outcome.body.results;
  return first ? `${name}: first is document ${first.index + 1}.` : `${name}: nothing is left.`;
}

function showCut() {
  board.cut(view);
  const requests = lanes.map((one) => [one.letter, { ...shown, ...one.options, ...view.options }]);
  copying.offer(requests, { url: service.url, needsKey });
}

function lane(settings) {
  return new Lane({ models, settings, changed: (one) => rank([one]), removed: remove });
}

function arrange(now) {
  lanes = now;
  board.arrange(lanes);
  view.allowMoreLanes(lanes.length < MAX_LANES);
}

/** One lane more, as different from the last as one setting makes it. */
async function compare() {
  const { model, overflow } = lanes.at(-1).settings;
  const next = model && models.names[models.names.indexOf(model) + 1];
  arrange([...lanes, lane(next ? { model: next } : { overflow: overflow === "chunk" ? "truncate" : "chunk" })]);
  await rank([lanes.at(-1)]);
}

function remove(gone) {
  arrange(lanes.filter((one) => one !== gone));
  view.fit(board.show(shown.documents, view));
  showCut();
  byId("compare").focus();
}

/** An example may come with lanes of its own. */
async function chose({ lanes: wanted = [{}] }) {
  arrange(wanted.map((settings) => lane(settings)));
  shown = asking.texts;
  board.show(shown.documents, view);
  showCut();
  if (shown.documents.length) await rank();
}
