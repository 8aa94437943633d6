"""Sources `prometheus` and `alertmanager`: the two servers of the Prometheus project.

Also what speaks Prometheus' HTTP API (Thanos, Mimir). They share this package because an
Alertmanager's answer is checked against the rules of its Prometheus.
"""

from rolloutctl.sources.prometheus.alertmanager import Alertmanager, AlertmanagerSpec
from rolloutctl.sources.prometheus.source import Prometheus, PrometheusSpec

__all__ = ["Alertmanager", "AlertmanagerSpec", "Prometheus", "PrometheusSpec"]
