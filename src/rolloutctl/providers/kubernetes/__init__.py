"""Provider `kubernetes`: Services and routes of a cluster.

API used: Kubernetes core v1, apps/v1, discovery.k8s.io/v1, authorization.k8s.io/v1; Gateway API
v1; Istio v1. https://kubernetes.io/docs/reference/kubernetes-api/
Auth: a context of the kubeconfig, or the service account of the pod (`context: in-cluster`).
Exposure: by strategy: the selector of a Service, weights of an HTTPRoute or VirtualService,
replicas of two Deployments.
Compare-and-set: JSON patches that test the resourceVersion; a kill writes a new fence into an
annotation, so that the version moves even where nothing else does.
`off`: nothing; arms are labels, Services, subsets or Deployments.
Cannot: audience, include, `verify`: the data plane splits requests, and cannot be asked.
"""

from rolloutctl.providers.kubernetes.adapter import Kubernetes
from rolloutctl.providers.kubernetes.place import TargetSpec

__all__ = ["Kubernetes", "TargetSpec"]
