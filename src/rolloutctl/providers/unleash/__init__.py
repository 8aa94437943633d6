"""Provider `unleash`: flags of an Unleash server, over its Admin API.

API used: `/api/admin/projects/{project}/features/{flag}…` as server 8.2.0 answers it;
https://docs.getunleash.io/api. `verify` asks the real UnleashClient.
Auth: an admin API token or a personal access token (whose user then stands in Unleash's
event log), header `Authorization`. SDK tokens cannot write.
Exposure: arms `off` and `on` are a plain flag and the rollout of one flexibleRollout
strategy, in whole percent. Other arms are variants of one strategy at 100 %, weighed in
thousandths. Old flags with environment variants are weighed there. `include` and, with
variants, `audience` are strategies of their own, titled "rolloutctl: …".
Shadow: a second plain flag of the same project and environment.
Propagation: SDKs poll, by default every 15 s; the server adds 1 s.
`off`: for a plain flag it is the control, and kill turns it off. With variants, applications
then use the default in their code, which nobody here knows: it is never turned on there,
and a rollout on it is refused.
No compare-and-set: the server ignores If-Match. Writes compare first, are read back, and
settle for `write_timeout_s`.
Cannot: change requests, release plans, more than two arms, segments by name.
"""

from rolloutctl.providers.unleash.adapter import Unleash
from rolloutctl.providers.unleash.place import TargetSpec

__all__ = ["TargetSpec", "Unleash"]
