"""Exporting: a checkpoint converted to a folder that serves without a conversion, once it ranks as the original."""
