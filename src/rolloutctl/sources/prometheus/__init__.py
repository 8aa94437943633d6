"""Source `prometheus`: asks a Prometheus, or what speaks its HTTP API (Thanos, Mimir)."""

from rolloutctl.sources.prometheus.source import Prometheus, PrometheusSpec

__all__ = ["Prometheus", "PrometheusSpec"]
