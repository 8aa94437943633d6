"""Source `cloudwatch`: gates' questions answered by Amazon CloudWatch, and its alarms.

API used: GetMetricData, DescribeAlarms, ListMetrics (only for typing errors), and of STS
AssumeRole and GetCallerIdentity, through boto3;
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/.
Auth: as boto3 finds credentials (environment, profiles, SSO, roles, instance), or `profile`,
or `role_arn`. Limits: 500 metrics and 100,800 points a call; pages followed here.
CloudWatch has no counters, only sums a period: counters are made of them (`counters.py`).
What is missing, partial, forbidden or broken is no data, never zero.
What it cannot do: histograms (it keeps no buckets; ask for a percentile), patterns over
dimensions (a metric is named with all its dimensions), regular expressions.
"""

from rolloutctl.sources.cloudwatch.source import CloudWatch
from rolloutctl.sources.cloudwatch.spec import CloudWatchSpec

__all__ = ["CloudWatch", "CloudWatchSpec"]
