"""The distributions that this repository makes, in the order of their publication: what others need comes first."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
PROJECTS = {
    "bentorank-client": ROOT / "integrations" / "client",
    "bentorank-starter": ROOT / "models" / "starter",
    "bentorank": ROOT,
    "langchain-bentorank": ROOT / "integrations" / "langchain",
    "llama-index-postprocessor-bentorank": ROOT / "integrations" / "llama-index",
    "bentorank-haystack": ROOT / "integrations" / "haystack",
}
