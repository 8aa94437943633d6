"""Who acts: the caller's ARN, and the ARN whose policies speak for it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rolloutctl.errors import Unavailable
from rolloutctl.providers.appconfig.account import Account

#: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
_ARN = re.compile(r"arn:(?P<partition>[\w-]+):(?:iam|sts)::(?P<account>\d{12}):(?P<who>.+)")
_SESSION = re.compile(r"assumed-role/(?P<role>[^/]+)/.+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who AWS says acts.

    Attributes:
        partition: aws, aws-cn or aws-us-gov.
        who: what follows the account in the ARN: `user/ci`, `assumed-role/ci/session`.
    """

    arn: str
    partition: str
    account: str
    who: str

    @property
    def is_role(self) -> bool:
        """Is it a session of a role? Its ARN does not tell the role's path."""
        return _SESSION.fullmatch(self.who) is not None

    @property
    def policies_of(self) -> str:
        """The ARN of the user or role whose policies are asked about; "" where there is none.

        The account's root and federated users have none that could be simulated.
        """
        if self.who.startswith("user/"):
            return self.arn
        if match := _SESSION.fullmatch(self.who):
            return f"arn:{self.partition}:iam::{self.account}:role/{match['role']}"
        return ""


def query_identity(account: Account) -> Identity:
    """Asks STS; needs no permission. Raises the mapped errors."""
    arn = str(account.read("sts:GetCallerIdentity").get("Arn", ""))
    match = _ARN.fullmatch(arn)
    if match is None:
        raise Unavailable(f"sts:GetCallerIdentity: {arn!r:.100} is no ARN of a caller")
    return Identity(
        arn=arn, partition=match["partition"], account=match["account"], who=match["who"]
    )
