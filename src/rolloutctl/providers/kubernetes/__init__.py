"""Kubernetes: what a Service sends traffic to. Pure parts only; no provider yet."""
