// What an answer means for the page: who stands where, who moved, and who a threshold or a top n would leave out.

/** The results with their rank and how many places each rose, in the order of the answer. */
export function placed(results) {
  return results.map((result, position) => ({ ...result, rank: position + 1, rose: result.index - position }));
}

export function direction({ rose }) {
  if (rose > 0) return "up";
  return rose < 0 ? "down" : "same";
}

/** How many of the first rows stay, by the view's threshold and top n; what has no score passes no threshold. */
export function kept(rows, { threshold, topN }) {
  const passing = rows.filter(({ relevance_score: score }) => threshold === null || (score !== null && score >= threshold));
  return Math.min(passing.length, topN ?? rows.length);
}

/** Least and greatest score of all rows, at least those that probabilities may have where all are within. */
export function scale(rows) {
  const scores = rows.map((row) => row.relevance_score).filter((score) => score !== null);
  const [least, greatest] = scores.reduce(([low, high], score) => [Math.min(low, score), Math.max(high, score)], [0, 1]);
  return { least, greatest };
}

/** One sentence: what the reranking did. */
export function summary(rows) {
  if (!rows.length) return "";
  const moved = rows.filter((row) => row.rose !== 0).length;
  const first = rows[0].rose ? `the first was number ${rows[0].index + 1}` : "the first stayed";
  return `${moved} of ${rows.length} moved; ${first}`;
}
