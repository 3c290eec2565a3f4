"""Tuning: which settings serve a model fastest on this machine, measured, without another order of results."""
