"""Provider `launchdarkly`: flags of LaunchDarkly, over its REST API.

API used: `/api/v2/flags/{project}/{flag}` with semantic patches, version 20240415;
https://launchdarkly.com/docs/api. `verify` asks the real launchdarkly-server-sdk.
Auth: an API access token with a writer's role, header `Authorization` without "Bearer".
Exposure: the weights of the default rule's, or of one named rule's, percentage rollout, in
thousandths of a percent. `include` and `audience` are rules of their own, described
"rolloutctl: …". Everything that one write changes goes in one patch: all or nothing.
Shadow: a second, boolean flag of the same project and environment.
Propagation: SDKs are told over a stream, usually within a second.
`off`: everybody gets the off variation; kill makes that the control too.
No compare-and-set: semantic patches carry no version. Writes compare first, say it when an
edit came in between, are read back, and settle for `write_timeout_s`.
Cannot: rollouts with a seed, guarded and progressive rollouts, experiments, filing
approval requests.
"""

from rolloutctl.providers.launchdarkly.adapter import LaunchDarkly
from rolloutctl.providers.launchdarkly.place import TargetSpec

__all__ = ["LaunchDarkly", "TargetSpec"]
