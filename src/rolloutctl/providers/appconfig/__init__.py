"""Provider `appconfig`: feature flags of AWS AppConfig, one hosted version a step.

API used: AppConfig's control plane (2019-10-09) through boto3;
https://docs.aws.amazon.com/appconfig/2019-10-09/APIReference/.
Auth: as boto3 finds credentials (environment, profiles, SSO, roles, instance).
Exposure: the flag's variants: the canary with the rule `(split pct::N by::$key)`, then the
control, which is the default. N is a whole percent. Each write makes a new hosted version
and deploys it at once with the strategy `rolloutctl-at-once` (0 minutes, no bake).
Clients need the AppConfig Agent: the plain SDK does not evaluate variants.
Compare-and-set: `LatestDeploymentNumber` of StartDeployment; every deployment moves it.
`off`: `enabled: false`; it is the control of a flag whose arms are on and off.
Without a flag: whole hosted versions of any profile, which AppConfig's own strategy grows
(`whole.py`); it can be stopped, and neither held nor moved to a share.
Propagation: a complete deployment counts once a session of the data plane gets it.
Cannot: shadow, weights finer than 1 %; `verify` of a flag evaluates its rules here, because the
hash of the Agent's `split` is not published.
"""

from rolloutctl.providers.appconfig.adapter import AppConfig
from rolloutctl.providers.appconfig.place import TargetSpec

__all__ = ["AppConfig", "TargetSpec"]
