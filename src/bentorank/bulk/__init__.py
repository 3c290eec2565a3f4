"""Millions of lists, ranked from files into files: in this process or on Ray, each row exactly once.

The way of a row: `inputs` → `rows` → `scoring` → `parts` → `folder`. `here` and `on_ray` run it for a `job`.
"""
