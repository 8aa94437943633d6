"""Provider `flagd-file`: flags in a flagd flag-definition file, the OpenFeature JSON format.

API used: the file itself; https://flagd.dev/reference/flag-definitions/. For teams without
a flag service, and the embedded default.
Auth: the file system's permissions; the folder must be writable, because the file is
replaced by rename. Limits: 16 MiB. A single file that is itself a mount point (a bind
mount into a container) cannot be replaced: mount its folder.
Exposure: `fractional` with whole weights that sum to 10 000. Without one, the shorthand is
written: units are bucketed by the flag's key and their `targetingKey`; those without one get
`defaultVariant`, which stays control, at 100 % canary too.
Shadow: a second boolean flag of the same file, variants "on" (mirror this request) and "off".
Propagation: readers poll the mtime, by default every 500 ms; all of them must run one major
version of the SDK, because another buckets everybody anew.
`off` (state DISABLED) means that applications use the default in their code, which nobody
here knows: it is never turned on, and a rollout on it is refused.
Cannot: audience, include, more than two arms, YAML files.
"""

from rolloutctl.providers.flagd_file.adapter import FlagdFile
from rolloutctl.providers.flagd_file.place import TargetSpec

__all__ = ["FlagdFile", "TargetSpec"]
