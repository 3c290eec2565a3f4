// The same request from a program. Keys are read from the environment there: none is ever written into these lines.

const CLIENT_OPTIONS = ["model", "overflow", "max_tokens_per_doc", "instruction", "top_n", "score_mode", "score_threshold"];

/** `[name, program]` of each way to ask. `request` is the body; `needsKey` says that one has to be shown. */
export function snippets({ url, request, needsKey }) {
  const asked = { url, needsKey, ...request, options: options(request) };
  return [
    ["curl", curl(url, request, needsKey)],
    ["Python", python(asked)],
    ["LangChain", langchain(asked)],
    ["LlamaIndex", llamaIndex(asked)],
    ["Haystack", haystack(asked)],
  ];
}

function curl(url, request, needsKey) {
  return lines(
    `curl -s ${url}/rerank \\`,
    needsKey && '  -H "Authorization: Bearer $BENTORANK_API_KEY" \\',
    "  -H 'Content-Type: application/json' --data-binary @- <<'JSON'",
    JSON.stringify(request, null, 2),
    "JSON",
  );
}

function python({ url, needsKey, query, documents, options: chosen }) {
  return lines(
    "from bentorank_client import Reranker",
    "",
    ...texts(query, documents),
    `reranker = Reranker(base_url=${quoted(url)})${keyNote(needsKey)}`,
    `for ranked in reranker.rerank(${args(["query", "documents"], chosen)}):`,
    '    print(f"{ranked.relevance_score:.4f}", documents[ranked.index])',
  );
}

function langchain({ url, needsKey, query, documents, options: chosen }) {
  return lines(
    "from langchain_bentorank import BentoRerank",
    "from langchain_core.documents import Document",
    "",
    ...texts(query, documents),
    `reranker = BentoRerank(${args([`base_url=${quoted(url)}`], chosen)})${keyNote(needsKey)}`,
    "for document in reranker.compress_documents([Document(text) for text in documents], query):",
    '    print(f"{document.metadata[\'relevance_score\']:.4f}", document.page_content)',
  );
}

function llamaIndex({ url, needsKey, query, documents, options: chosen }) {
  return lines(
    "from llama_index.core.schema import NodeWithScore, TextNode",
    "from llama_index.postprocessor.bentorank import BentoRerank",
    "",
    ...texts(query, documents),
    `reranker = BentoRerank(${args([`base_url=${quoted(url)}`], chosen)})${keyNote(needsKey)}`,
    "nodes = [NodeWithScore(node=TextNode(text=text)) for text in documents]",
    "for found in reranker.postprocess_nodes(nodes, query_str=query):",
    '    print(f"{found.score:.4f}", found.node.get_content())',
  );
}

function haystack({ url, needsKey, query, documents, options: chosen }) {
  const { top_n: topK, ...others } = chosen;
  return lines(
    "from haystack import Document",
    "from haystack_integrations.components.rankers.bentorank import BentoRanker",
    "",
    ...texts(query, documents),
    `ranker = BentoRanker(${args([`base_url=${quoted(url)}`], { ...(topK && { top_k: topK }), ...others })})${keyNote(needsKey)}`,
    "ranked = ranker.run(query=query, documents=[Document(content=text) for text in documents])",
    'for document in ranked["documents"]:',
    '    print(f"{document.score:.4f}", document.content)',
  );
}

const options = (request) => Object.fromEntries(CLIENT_OPTIONS.filter((name) => name in request).map((name) => [name, request[name]]));

const lines = (...all) => `${all.filter((line) => line !== false).join("\n")}\n`;

/** A JSON text is a Python text too. */
const quoted = (text) => JSON.stringify(text);

const texts = (query, documents) => [
  `query = ${quoted(query)}`,
  "documents = [",
  ...documents.map((text) => `    ${quoted(text)},`),
  "]",
];

const args = (positional, named) =>
  [...positional, ...Object.entries(named).map(([name, value]) => `${name}=${JSON.stringify(value)}`)].join(", ");

const keyNote = (needsKey) => (needsKey ? "  # its key: BENTORANK_API_KEY" : "");
