"""Turn a checkpoint into the shipped model: calibrate the head on held-out training questions, store half precision.

The head's weight and bias are rescaled (which moves no ranking) so that the sigmoid of a logit reads as the probability
that a passage, drawn from one answer and seven hard negatives, is the answer.
"""

import argparse
import json
from pathlib import Path

import torch
from held_out import LIST_SIZE, held_out_lists
from rich.console import Console
from safetensors.torch import save_file
from sentence_transformers import CrossEncoder
from torch import Tensor
from torch.nn import functional
from transformers import AutoModelForSequenceClassification, AutoTokenizer

QUESTIONS_A_KIND = 75


def held_out_logits(checkpoint: Path, pack: Path) -> tuple[Tensor, Tensor]:
    """Logits and labels of all pairs of the held-out lists, whose answers come first."""
    lists = held_out_lists(pack, QUESTIONS_A_KIND)
    pairs = [(query, passage) for query, passages in lists for passage in passages]
    model = CrossEncoder(str(checkpoint), device="cpu", max_length=512)
    logits = model.predict(pairs, activation_fn=torch.nn.Identity(), convert_to_tensor=True, show_progress_bar=True)
    labels = torch.zeros(len(lists), LIST_SIZE)
    labels[:, 0] = 1
    return logits, labels.flatten()


def fit_scale_and_shift(logits: Tensor, labels: Tensor) -> tuple[float, float]:
    """Platt scaling."""
    parameters = torch.tensor([1.0, 0.0], requires_grad=True)
    optimizer = torch.optim.LBFGS([parameters], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = functional.binary_cross_entropy_with_logits(logits * parameters[0] + parameters[1], labels)
        loss.backward()
        return loss

    optimizer.step(closure)
    scale, shift = parameters.tolist()
    return scale, shift


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--pack", type=Path, required=True, help="what pack.py wrote, with the held-out questions")
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    model = AutoModelForSequenceClassification.from_pretrained(args.checkpoint, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(args.checkpoint)

    logits, labels = held_out_logits(args.checkpoint, args.pack)
    scale, shift = fit_scale_and_shift(logits.clone(), labels.clone())
    with torch.no_grad():
        model.classifier.weight *= scale
        model.classifier.bias.mul_(scale).add_(shift)
    Console().print(f"calibrated: logit x {scale:.3f} + {shift:.3f}")

    tokenizer.save_pretrained(args.output)
    keep_only_what_is_read(args.output / "tokenizer_config.json")
    halves = {name: tensor.half().contiguous() for name, tensor in model.state_dict().items()}
    save_file(halves, args.output / "model.safetensors", metadata={"format": "pt"})
    config = model.config.to_dict() | {
        "architectures": ["BertForSequenceClassification"],
        "id2label": {"0": "relevance"},
        "label2id": {"relevance": 0},
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        # The file is half precision for its size; computing in it is slow and coarse on a CPU, so it loads as float32.
        "dtype": "float32",
        "sentence_transformers": {"activation_fn": "torch.nn.modules.activation.Sigmoid"},
    }
    config.pop("_name_or_path", None)  # a path of the machine that trained
    (args.output / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def keep_only_what_is_read(path: Path) -> None:
    """Drop what the encoder's file carries from its own training, such as a cut at 128 tokens."""
    names = ("tokenizer_class", "model_max_length", "do_lower_case", "strip_accents", "tokenize_chinese_chars")
    names += ("unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
    config = json.loads(path.read_text())
    path.write_text(json.dumps({name: config[name] for name in names}, indent=2) + "\n")


if __name__ == "__main__":
    main()
