// What was pasted, as a list of texts: JSON, JSON lines, blocks between empty lines, or lines.

const TEXT_FIELDS = ["content", "text", "page_content", "body"];
const LIST_FIELDS = ["documents", "texts", "passages", "input"];

/** `{documents, said, query?, problem?}`: the texts, how they were told apart, and what could not be read. */
export function readDocuments(pasted) {
  const text = pasted.trim();
  if (!text) return { documents: [], said: "Paste texts, JSON, or a whole request." };
  const value = parsed(text);
  if (Array.isArray(value)) return fromItems(value, "a JSON list");
  if (value !== undefined) return fromRequest(value);
  const lines = text.split(/\r?\n/);
  const items = lines.filter((line) => line.trim()).map(parsed);
  if (items.every((item) => typeof item === "object" && item !== null)) return fromItems(items, "JSON lines");
  const blocks = text.split(/\r?\n[ \t]*\r?\n\s*/).map((block) => block.trim());
  if (blocks.length > 1) return counted(blocks, "between empty lines");
  return counted(lines.map((line) => line.trim()).filter(Boolean), "one a line");
}

/** How an example is written into the field, so that it reads as `documents` again. */
export function writeDocuments(documents) {
  const plain = documents.length > 1 && documents.every((text) => text.trim() === text && !/\n\s*\n/.test(text));
  return plain ? documents.join("\n\n") : JSON.stringify(documents, null, 2);
}

function parsed(text) {
  if (!/^[[{]/.test(text.trim())) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function fromRequest(request) {
  const field = LIST_FIELDS.find((name) => Array.isArray(request[name]));
  if (!field) return fromItems([request], "a JSON object");
  const query = typeof request.query === "object" ? request.query?.text : request.query;
  return { ...fromItems(request[field], `${field} of a request`), query: typeof query === "string" ? query : undefined };
}

function fromItems(items, how) {
  const documents = items.map(textOf);
  const missing = documents.findIndex((text) => text === undefined);
  if (missing < 0) return counted(documents, how);
  const fields = TEXT_FIELDS.join(", ");
  return { documents: [], said: "", problem: `documents[${missing}]: neither a text nor an object with one of ${fields}` };
}

function textOf(item) {
  if (typeof item === "string") return item;
  if (typeof item !== "object" || item === null) return undefined;
  return TEXT_FIELDS.map((name) => item[name]).find((value) => typeof value === "string");
}

function counted(documents, how) {
  return { documents, said: `${documents.length} ${documents.length === 1 ? "document" : "documents"}, ${how}` };
}
