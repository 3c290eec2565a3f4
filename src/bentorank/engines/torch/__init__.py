"""The engine for GPUs, and for whatever OpenVINO cannot convert."""
