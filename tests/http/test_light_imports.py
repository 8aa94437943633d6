"""Adapters cost nothing until they speak: their libraries load at the first request."""

import subprocess
import sys

import pytest

HEAVY = ("httpx", "ssl", "prometheus_client", "email.parser", "http.client")


@pytest.mark.parametrize(
    ("module", "build"),
    [
        ("rolloutctl.sources.prometheus", "m.Prometheus(m.PrometheusSpec(url='http://h'))"),
        ("rolloutctl.sources.openmetrics", "m.OpenMetrics(m.OpenMetricsSpec(url='http://h'))"),
        ("rolloutctl.notifiers.webhook", "m.Webhook(m.WebhookSpec(url='http://h'))"),
    ],
)
def test_an_adapter_is_built_without_its_libraries(module, build):
    """Httpx alone takes longer than killing a flag."""
    program = (
        f"import sys, importlib; m = importlib.import_module({module!r}); {build}\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30
    )

    assert done.stdout.strip() == "[]"
