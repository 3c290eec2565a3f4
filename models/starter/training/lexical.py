"""BM25 with English stemming and stop words: the first stage that the reranker is trained and measured behind."""

import bm25s
import numpy as np
import Stemmer


class LexicalIndex:
    """BM25 over a list of texts."""

    def __init__(self, texts: list[str]) -> None:
        self.stemmer = Stemmer.Stemmer("english")
        self.index = bm25s.BM25()
        tokens = bm25s.tokenize(texts, stopwords="en", stemmer=self.stemmer, show_progress=False)
        self.index.index(tokens, show_progress=False)
        self.size = len(texts)

    def scores(self, query: str) -> np.ndarray:
        """The BM25 score of every text; all zero where the query shares no word with the index."""
        tokens = bm25s.tokenize(query, stopwords="en", stemmer=self.stemmer, return_ids=False, show_progress=False)[0]
        known = [token for token in tokens if token in self.index.vocab_dict]
        return self.index.get_scores(known) if known else np.zeros(self.size, np.float32)

    def top(self, query: str, count: int = 100) -> list[int]:
        """The best texts' positions, best first."""
        return best(self.scores(query), count).tolist()


def best(scores: np.ndarray, count: int) -> np.ndarray:
    """Positions of the highest scores, best first."""
    count = min(count, len(scores))
    chosen = np.argpartition(-scores, count - 1)[:count]
    return chosen[np.argsort(-scores[chosen], kind="stable")]
