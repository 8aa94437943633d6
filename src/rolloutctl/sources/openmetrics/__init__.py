"""Source `openmetrics`: reads an application's own /metrics; needs no Prometheus."""

from rolloutctl.sources.openmetrics.source import OpenMetrics, OpenMetricsSpec

__all__ = ["OpenMetrics", "OpenMetricsSpec"]
