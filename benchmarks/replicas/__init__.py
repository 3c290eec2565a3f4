"""Instances behind a load balancer: what a second one adds, and what the balancer costs."""
