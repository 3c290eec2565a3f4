"""Measurements of bentorank on real text. Run them from the repository root; README.md says how."""
