// What the service would refuse, told before anything is sent, in the words in which it would say so.

/** Each mistake as `{field, message}`. `limits` are those of /info, null while they are not known. */
export function problemsOf({ query, documents }, bytes, limits) {
  const problems = [];
  const add = (field, what) => problems.push({ field, message: `${field}: ${what}` });
  if (!query.trim()) add("query", "must not be blank");
  if (!documents.length) add("documents", "there are none");
  if (!limits) return problems;
  const tooLong = (field, text, limit) => {
    const length = characters(text, limit);
    if (length > limit) add(field, `${length} characters, more than the limit of ${limit}`);
  };
  tooLong("query", query, limits.max_query_chars);
  if (documents.length > limits.max_documents) {
    add("documents", `${documents.length} documents, more than the limit of ${limits.max_documents}`);
  }
  documents.forEach((text, index) => tooLong(`documents[${index}]`, text, limits.max_document_chars));
  if (bytes > limits.max_body_bytes) add("body", `${bytes} bytes, more than the limit of ${limits.max_body_bytes}`);
  return problems;
}

/** Bytes of the body that would be sent. */
export const bytesOf = (body) => new TextEncoder().encode(JSON.stringify(body)).length;

/** Code points, which the service counts; only counted where code units leave it open. */
function characters(text, limit) {
  return text.length <= limit ? text.length : [...text].length;
}
