"""Offline evaluation: rerank candidate lists and compare the order before and after against judgements."""
