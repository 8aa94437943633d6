"""A fake Kubernetes API server on loopback, as far as a safety tool must not be fooled.

What it answers was observed on a real API server (Kubernetes 1.36): content types and 415,
strategic, merge, JSON and apply patches, resourceVersion and 409, a failed `test` as 422,
generation, status and scale, dry run, watch, RBAC, pruning, EndpointSlices that follow
selectors and readiness a little later. It runs no containers: a pod is what its status says.
"""
