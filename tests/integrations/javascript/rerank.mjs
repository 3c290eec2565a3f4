// Rerank through one published client: `node rerank.mjs CLIENT` reads {url, key, query, passages, topN} as JSON from
// its input and writes {ranked: [[passage, score], …]} or {error: {name, text}}.
import { readFileSync } from "node:fs";

const MODEL = "starter";

const byIndex = ({ url, key, query, passages, topN }, results) =>
  results.map((result) => [passages[result.index], result.relevance_score ?? result.relevanceScore ?? result.score]);

async function throughAiSdk(model, { query, passages, topN }) {
  const { rerank } = await import("ai");
  const { ranking } = await rerank({ model, query, documents: passages, topN, maxRetries: 0 });
  return ranking.map(({ document, score }) => [document, score]);
}

async function throughLangChain(compressor, { query, passages }) {
  const { Document } = await import("@langchain/core/documents");
  const documents = passages.map((pageContent) => new Document({ pageContent }));
  const ranked = await compressor.compressDocuments(documents, query);
  return ranked.map(({ pageContent, metadata }) => [pageContent, metadata.relevanceScore]);
}

const CLIENTS = {
  async "cohere-ai v1"(task) {
    const { CohereClient } = await import("cohere-ai");
    const client = new CohereClient({ token: task.key, environment: task.url, maxRetries: 0 });
    const { query, passages: documents, topN } = task;
    const answer = await client.rerank({ model: MODEL, query, documents, topN, returnDocuments: true });
    return answer.results.map((result) => [result.document.text, result.relevanceScore]);
  },
  async "cohere-ai v2"(task) {
    const { CohereClientV2 } = await import("cohere-ai");
    const client = new CohereClientV2({ token: task.key, environment: task.url, maxRetries: 0 });
    const { query, passages: documents, topN } = task;
    return byIndex(task, (await client.rerank({ model: MODEL, query, documents, topN })).results);
  },
  async "@langchain/cohere"(task) {
    const { CohereRerank } = await import("@langchain/cohere");
    const { CohereClient } = await import("cohere-ai");
    const client = new CohereClient({ token: task.key, environment: task.url, maxRetries: 0 });
    return throughLangChain(new CohereRerank({ client, model: MODEL, topN: task.topN }), task);
  },
  async "@ai-sdk/cohere"(task) {
    const { createCohere } = await import("@ai-sdk/cohere");
    return throughAiSdk(createCohere({ apiKey: task.key, baseURL: `${task.url}/v2` }).reranking(MODEL), task);
  },
  async "@ai-sdk/togetherai"(task) {
    const { createTogetherAI } = await import("@ai-sdk/togetherai");
    return throughAiSdk(createTogetherAI({ apiKey: task.key, baseURL: `${task.url}/v1` }).reranking(MODEL), task);
  },
  async "@ai-sdk/voyage"(task) {
    const { createVoyage } = await import("@ai-sdk/voyage");
    return throughAiSdk(createVoyage({ apiKey: task.key, baseURL: `${task.url}/v1` }).reranking(MODEL), task);
  },
  async "voyage-ai-provider"(task) {
    const { createVoyage } = await import("voyage-ai-provider");
    return throughAiSdk(createVoyage({ apiKey: task.key, baseURL: `${task.url}/v1` }).reranking(MODEL), task);
  },
  async "voyageai"(task) {
    const { VoyageAIClient } = await import("voyageai");
    const client = new VoyageAIClient({ apiKey: task.key, environment: `${task.url}/v1`, maxRetries: 0 });
    const { query, passages: documents, topN } = task;
    const request = { model: MODEL, query, documents, topK: topN, returnDocuments: true };
    return (await client.rerank(request)).data.map((result) => [result.document, result.relevanceScore]);
  },
  async "@mixedbread/sdk"(task) {
    const { Mixedbread } = await import("@mixedbread/sdk");
    const client = new Mixedbread({ apiKey: task.key, baseURL: task.url, maxRetries: 0 });
    const { query, passages: input, topN } = task;
    return byIndex(task, (await client.rerank({ model: MODEL, query, input, top_k: topN })).data);
  },
  async "@langchain/mixedbread-ai"(task) {
    const { MixedbreadAIReranker } = await import("@langchain/mixedbread-ai");
    const options = { apiKey: task.key, baseUrl: task.url, model: MODEL, topK: task.topN, maxRetries: 0 };
    return throughLangChain(new MixedbreadAIReranker(options), task);
  },
};

const task = JSON.parse(readFileSync(0, "utf8"));
try {
  console.log(JSON.stringify({ ranked: await CLIENTS[process.argv[2]](task) }));
} catch (error) {
  const text = [error.message, JSON.stringify(error.body), error.responseBody].join(" ");
  console.log(JSON.stringify({ error: { name: error.name, text } }));
}
