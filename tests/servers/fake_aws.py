# ruff: noqa: N802, N803, ARG002, PLR0917, FBT002, C408 - operations carry AWS's own names and arguments
"""A fake AppConfig and AppConfigData on loopback, judged by botocore's own models.

The clock is injectable, so a strategy of an hour takes milliseconds. `alarms` says how each
alarm stands; an alarm nobody set has INSUFFICIENT_DATA, as a fresh one has. Anything that
breaks AWS's model stands in `violations`. STS, IAM and alarms for `plan` are in `fake_iam.py`.
What it cannot: metrics, extensions, experiments.
"""

from __future__ import annotations

import itertools
import json
import threading
import uuid
from datetime import UTC, datetime
from http.server import ThreadingHTTPServer

from servers.aws_flags import check_flags, refuse, retrieved
from servers.aws_model import Model
from servers.fake_aws_http import Err, H


def iso(t):
    return datetime.fromtimestamp(t, UTC)


def steps(kind, g):
    out, n = [], 0
    while True:
        p = g * (2**n) if kind == "EXPONENTIAL" else g * (n + 1)
        n += 1
        if p >= 100:
            return [*out, 100.0]
        out.append(float(p))


PREDEFINED = {
    f"AppConfig.{n}": dict(
        Id=f"AppConfig.{n}",
        Name=f"AppConfig.{n}",
        DeploymentDurationInMinutes=d,
        FinalBakeTimeInMinutes=b,
        GrowthFactor=float(g),
        GrowthType=t,
        ReplicateTo="NONE",
    )
    for n, d, b, g, t in [
        ("AllAtOnce", 0, 10, 100, "LINEAR"),
        ("Linear50PercentEvery30Seconds", 1, 1, 50, "LINEAR"),
        ("Canary10Percent20Minutes", 20, 10, 10, "EXPONENTIAL"),
        ("Linear20PercentEvery6Minutes", 30, 30, 20, "LINEAR"),
    ]
}


class Fake(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # a kill of many targets connects at once

    def __init__(self, port=0, clock=None):
        super().__init__(("127.0.0.1", port), H)
        self.model, self.clock, self.lock = (
            Model("appconfig", "appconfigdata"),
            clock,
            threading.RLock(),
        )
        self.apps, self.envs, self.profiles, self.versions = {}, {}, {}, {}
        self.strategies, self.deps, self.sessions, self.alarms = dict(PREDEFINED), {}, {}, {}
        self.muted, self.calls, self.violations = set(), [], []
        self.ids, self.fault, self.fault_on = itertools.count(1), None, frozenset()
        self.moment = 1_800_000_000.0
        self.refused = {}  # version -> why the profile's validators refuse it
        self.oldest_first = False  # as an emulator was seen to list versions
        self.behind = 0  # so many sessions yet get the deployment before
        self.clock = clock or self.now
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def nid(self):
        return f"{next(self.ids):07x}"

    def now(self):
        """Seconds of fake time, where no clock was given."""
        return self.moment

    def close(self):
        """Ends the server and frees its port."""
        self.shutdown()
        self.server_close()

    def find(self, table, key, what):
        try:
            return table[key]
        except KeyError:
            raise Err(
                "ResourceNotFoundException", f"{what} {key} not found", ResourceName=what
            ) from None

    # -- lazily advance one environment's deployments to now
    def advance(self, a, e):
        now, env = self.clock(), self.envs[a, e]
        for d in sorted(
            (d for k, d in self.deps.items() if k[:2] == (a, e)),
            key=lambda d: d["DeploymentNumber"],
        ):
            if d["State"] not in ("DEPLOYING", "BAKING"):
                continue
            t0, st = d["_t0"], steps(d["GrowthType"], d["GrowthFactor"])
            dur, bake = d["DeploymentDurationInMinutes"] * 60, d["FinalBakeTimeInMinutes"] * 60
            bad = [
                m["AlarmArn"]
                for m in env.get("Monitors", [])
                if m["AlarmArn"] not in self.muted
                and self.alarms.get(m["AlarmArn"], "INSUFFICIENT_DATA") != "OK"
            ]
            if bad:  # documented: ALARM *or* INSUFFICIENT_DATA, unless actions are disabled
                self.rollback(d, "CLOUDWATCH_ALARM", bad[0])
                continue
            for i, p in enumerate(st, 1):
                at = t0 + dur * i / len(st)
                if at <= now and p > d["PercentageComplete"]:
                    d["PercentageComplete"] = p
                    self.event(d, "PERCENTAGE_UPDATED", "APPCONFIG", f"{p:g}%", at)
            if d["State"] == "DEPLOYING" and d["PercentageComplete"] >= 100:
                d["State"] = "BAKING"
                self.event(d, "BAKE_TIME_STARTED", "APPCONFIG", "", t0 + dur)
            if d["State"] == "BAKING" and now >= t0 + dur + bake:
                d.update(State="COMPLETE", CompletedAt=iso(t0 + dur + bake), _done=t0 + dur + bake)
                self.event(d, "DEPLOYMENT_COMPLETED", "APPCONFIG", "", t0 + dur + bake)
        last = max(
            (d for k, d in self.deps.items() if k[:2] == (a, e)),
            key=lambda d: d["DeploymentNumber"],
            default=None,
        )
        if last:
            env["State"] = {"COMPLETE": "READY_FOR_DEPLOYMENT", "BAKING": "DEPLOYING"}.get(
                last["State"], last["State"]
            )

    def event(self, d, kind, by, text, at):
        d["EventLog"].insert(
            0, {"EventType": kind, "TriggeredBy": by, "Description": text, "OccurredAt": iso(at)}
        )

    def rollback(self, d, by, who):
        now = self.clock()
        d["State"] = "ROLLED_BACK"
        self.event(d, "ROLLBACK_STARTED", by, f"Rollback initiated by {who}", now)
        self.event(d, "ROLLBACK_COMPLETED", by, "", now)

    def view(self, d):
        v = {k: x for k, x in d.items() if not k.startswith("_")}
        v["PercentageComplete"] = (
            max(1.0, v["PercentageComplete"]) if v["PercentageComplete"] else None
        )  # model range 1..100
        if not v["DeploymentStrategyId"].startswith("AppConfig."):
            return v
        return {
            **v,
            "DeploymentStrategyId": None,
        }  # output pattern [a-z0-9]{4,7} has no room for predefined ids

    def served(self, a, e, p, sid, older=False):
        self.advance(a, e)
        slot = int(uuid.uuid5(uuid.NAMESPACE_OID, sid).hex, 16) % 100
        for d in sorted(
            (
                d
                for k, d in self.deps.items()
                if k[:2] == (a, e) and d["ConfigurationProfileId"] == p
            ),
            key=lambda d: -d["DeploymentNumber"],
        ):
            if d["State"] in ("COMPLETE", "BAKING") or (
                d["State"] == "DEPLOYING" and slot < d["PercentageComplete"]
            ):
                if not older:
                    return d
                older = False
        return None

    # -- operations
    def CreateApplication(self, Name, Description=None, Tags=None):
        a = {"Id": self.nid(), "Name": Name, "Description": Description}
        self.apps[a["Id"]] = a
        return a

    def CreateEnvironment(self, ApplicationId, Name, Description=None, Monitors=(), Tags=None):
        self.find(self.apps, ApplicationId, "Application")
        e = {
            "ApplicationId": ApplicationId,
            "Id": self.nid(),
            "Name": Name,
            "State": "READY_FOR_DEPLOYMENT",
            "Monitors": list(Monitors),
        }
        self.envs[ApplicationId, e["Id"]] = e
        return e

    def GetEnvironment(self, ApplicationId, EnvironmentId):
        e = self.find(self.envs, (ApplicationId, EnvironmentId), "Environment")
        self.advance(ApplicationId, EnvironmentId)
        return e

    def CreateConfigurationProfile(self, ApplicationId, Name, LocationUri, **kw):
        p = {
            "ApplicationId": ApplicationId,
            "Id": self.nid(),
            "Name": Name,
            "LocationUri": LocationUri,
            "Type": kw.get("Type", "AWS.Freeform"),
            "Validators": list(kw.get("Validators", ())),
        }
        self.profiles[ApplicationId, p["Id"]] = p
        return p

    def CreateHostedConfigurationVersion(
        self,
        ApplicationId,
        ConfigurationProfileId,
        Content,
        ContentType,
        Description=None,
        LatestVersionNumber=None,
        VersionLabel=None,
    ):
        p = self.find(
            self.profiles, (ApplicationId, ConfigurationProfileId), "ConfigurationProfile"
        )
        vs = self.versions.setdefault(p["Id"], [])
        if LatestVersionNumber is not None and LatestVersionNumber != len(vs):
            raise Err(
                "ConflictException",
                f"LatestVersionNumber {LatestVersionNumber} is not the latest ({len(vs)})",
            )
        if VersionLabel is not None and any(v["VersionLabel"] == VersionLabel for v in vs):
            raise Err("ConflictException", f"label {VersionLabel} is taken")  # not seen on AWS
        if p["Type"] == "AWS.AppConfig.FeatureFlags":
            check_flags(Content)
        v = {
            "ApplicationId": ApplicationId,
            "ConfigurationProfileId": p["Id"],
            "VersionNumber": len(vs) + 1,
            "Content": Content,
            "ContentType": ContentType,
            "Description": Description,
            "VersionLabel": VersionLabel,
        }
        vs.append(v)
        return v

    def GetHostedConfigurationVersion(self, ApplicationId, ConfigurationProfileId, VersionNumber):
        versions = self.versions.get(ConfigurationProfileId, [])
        if not 0 < VersionNumber <= len(versions):
            raise Err("ResourceNotFoundException", f"version {VersionNumber} not found")
        return versions[VersionNumber - 1]

    def ValidateConfiguration(self, ApplicationId, ConfigurationProfileId, ConfigurationVersion):
        self.find(self.profiles, (ApplicationId, ConfigurationProfileId), "ConfigurationProfile")
        self._validate(int(ConfigurationVersion))
        return {}

    def _validate(self, number):
        if number in self.refused:
            refuse(self.refused[number], "JSON_SCHEMA")

    def ListHostedConfigurationVersions(
        self,
        ApplicationId,
        ConfigurationProfileId,
        MaxResults=50,
        NextToken=None,
        VersionLabel=None,
    ):
        keep = ("ApplicationId", "ConfigurationProfileId", "VersionNumber", "ContentType")
        labelled = (*keep, "Description", "VersionLabel")
        versions = reversed(self.versions.get(ConfigurationProfileId, []))
        found = [v for v in versions if VersionLabel in (None, v["VersionLabel"])]
        if self.oldest_first:
            found.reverse()
        at = int(NextToken or 0)
        page = [
            {k: v[k] for k in labelled if v[k] is not None} for v in found[at : at + MaxResults]
        ]
        more = at + MaxResults < len(found)
        return {"Items": page, **({"NextToken": str(at + MaxResults)} if more else {})}

    def GetConfigurationProfile(self, ApplicationId, ConfigurationProfileId):
        key = (ApplicationId, ConfigurationProfileId)
        return self.find(self.profiles, key, "ConfigurationProfile")

    def ListDeploymentStrategies(self, MaxResults=50, NextToken=None):
        found = list(self.strategies.values())[:MaxResults]
        return {"Items": [{k: v for k, v in s.items() if v is not None} for s in found]}

    def CreateDeploymentStrategy(
        self,
        Name,
        DeploymentDurationInMinutes,
        GrowthFactor,
        FinalBakeTimeInMinutes=0,
        GrowthType="LINEAR",
        ReplicateTo="NONE",
        Description=None,
        Tags=None,
    ):
        s = dict(
            Id=self.nid(),
            Name=Name,
            DeploymentDurationInMinutes=DeploymentDurationInMinutes,
            GrowthFactor=float(GrowthFactor),
            FinalBakeTimeInMinutes=FinalBakeTimeInMinutes,
            GrowthType=GrowthType,
            ReplicateTo=ReplicateTo,
            Description=Description,
        )
        self.strategies[s["Id"]] = s
        return s

    def StartDeployment(
        self,
        ApplicationId,
        EnvironmentId,
        DeploymentStrategyId,
        ConfigurationProfileId,
        ConfigurationVersion,
        Description=None,
        LatestDeploymentNumber=None,
        **kw,
    ):
        env = self.find(self.envs, (ApplicationId, EnvironmentId), "Environment")
        s = self.find(self.strategies, DeploymentStrategyId, "DeploymentStrategy")
        p = self.find(
            self.profiles, (ApplicationId, ConfigurationProfileId), "ConfigurationProfile"
        )
        v = next(
            (
                v
                for v in self.versions.get(p["Id"], [])
                if ConfigurationVersion in (str(v["VersionNumber"]), v["VersionLabel"])
            ),
            None,
        )
        if v is None:
            raise Err("ResourceNotFoundException", f"version {ConfigurationVersion} not found")
        self._validate(v["VersionNumber"])
        self.advance(ApplicationId, EnvironmentId)
        n = max((k[2] for k in self.deps if k[:2] == (ApplicationId, EnvironmentId)), default=0)
        if LatestDeploymentNumber is not None and LatestDeploymentNumber != n:
            raise Err("ConflictException", f"latest deployment number is {n}")
        if env["State"] in ("DEPLOYING", "ROLLING_BACK"):
            raise Err(
                "ConflictException", "a deployment is already in progress in this environment"
            )
        d = {
            "ApplicationId": ApplicationId,
            "EnvironmentId": EnvironmentId,
            "DeploymentStrategyId": s["Id"],
            "ConfigurationProfileId": p["Id"],
            "DeploymentNumber": n + 1,
            "ConfigurationName": p["Name"],
            "ConfigurationLocationUri": p["LocationUri"],
            "ConfigurationVersion": str(v["VersionNumber"]),
            "VersionLabel": v["VersionLabel"],
            "Description": Description,
            **{
                k: s[k]
                for k in (
                    "DeploymentDurationInMinutes",
                    "GrowthType",
                    "GrowthFactor",
                    "FinalBakeTimeInMinutes",
                )
            },
            "State": "DEPLOYING",
            "PercentageComplete": 0.0,
            "StartedAt": iso(self.clock()),
            "EventLog": [],
            "_t0": self.clock(),
        }
        self.event(d, "DEPLOYMENT_STARTED", "USER", "", d["_t0"])
        self.deps[ApplicationId, EnvironmentId, n + 1] = d
        self.advance(ApplicationId, EnvironmentId)
        return self.view(d)

    def GetDeployment(self, ApplicationId, EnvironmentId, DeploymentNumber):
        d = self.find(self.deps, (ApplicationId, EnvironmentId, DeploymentNumber), "Deployment")
        self.advance(ApplicationId, EnvironmentId)
        return self.view(d)

    def ListDeployments(self, ApplicationId, EnvironmentId, MaxResults=50, NextToken=None):
        self.advance(ApplicationId, EnvironmentId)
        keep = (
            "DeploymentNumber",
            "ConfigurationName",
            "ConfigurationVersion",
            "DeploymentDurationInMinutes",
            "GrowthType",
            "GrowthFactor",
            "FinalBakeTimeInMinutes",
            "State",
            "StartedAt",
            "CompletedAt",
            "VersionLabel",
        )
        return {
            "Items": [
                {k: d[k] for k in keep if d.get(k) is not None}
                for k, d in sorted(self.deps.items(), reverse=True)
                if k[:2] == (ApplicationId, EnvironmentId)
            ][:MaxResults]
        }

    def StopDeployment(self, ApplicationId, EnvironmentId, DeploymentNumber, AllowRevert=False):
        d = self.find(self.deps, (ApplicationId, EnvironmentId, DeploymentNumber), "Deployment")
        self.advance(ApplicationId, EnvironmentId)
        if d["State"] == "DEPLOYING" or (d["State"] == "BAKING" and AllowRevert):
            self.rollback(d, "USER", "123456789012")
        elif d["State"] == "COMPLETE" and AllowRevert and self.clock() - d["_done"] <= 72 * 3600:
            d["State"] = "REVERTED"
            self.event(d, "REVERT_COMPLETED", "USER", "", self.clock())
        else:
            raise Err("BadRequestException", f"deployment is {d['State']}")
        self.advance(ApplicationId, EnvironmentId)
        return self.view(d)

    def StartConfigurationSession(
        self,
        ApplicationIdentifier,
        EnvironmentIdentifier,
        ConfigurationProfileIdentifier,
        RequiredMinimumPollIntervalInSeconds=60,
    ):
        def by(table, ident, app=None):
            for v in table.values():
                if ident in (v["Id"], v["Name"]) and (app is None or v["ApplicationId"] == app):
                    return v["Id"]
            raise Err("ResourceNotFoundException", ident)

        a = by(self.apps, ApplicationIdentifier)
        tok = f"token-{next(self.ids)}"
        self.sessions[tok] = dict(
            a=a,
            e=by(self.envs, EnvironmentIdentifier, a),
            p=by(self.profiles, ConfigurationProfileIdentifier, a),
            sid=tok,
            last=None,
            every=RequiredMinimumPollIntervalInSeconds,
            at=-1e18,
            born=self.clock(),
        )
        return {"InitialConfigurationToken": tok}

    def GetLatestConfiguration(self, ConfigurationToken):
        s = self.sessions.pop(ConfigurationToken, None)  # single use
        now = self.clock()
        if s is None or now - s["born"] > 86400:
            raise Err(
                "BadRequestException", "token expired or already used", Reason="InvalidParameters"
            )
        if now - s["at"] < s["every"] - 1:
            self.sessions[ConfigurationToken] = s
            raise Err(
                "BadRequestException",
                f"poll interval of {s['every']}s not respected",
                Reason="InvalidParameters",
            )
        older, self.behind = self.behind > 0, max(0, self.behind - 1)
        d, body, label, ctype = (
            self.served(s["a"], s["e"], s["p"], s["sid"], older),
            b"",
            None,
            "application/json",
        )
        if d:
            v = self.versions[s["p"]][int(d["ConfigurationVersion"]) - 1]
            ctype = v["ContentType"]
            if s["last"] != v["VersionNumber"]:
                body, label, s["last"] = v["Content"], v["VersionLabel"], v["VersionNumber"]
                if self.profiles[s["a"], s["p"]]["Type"] == "AWS.AppConfig.FeatureFlags":
                    values = json.loads(body).get("values", {})
                    body = json.dumps({k: retrieved(x) for k, x in values.items()}).encode()
        tok = f"token-{next(self.ids)}"
        self.sessions[tok] = {**s, "at": now, "born": now}
        return {
            "NextPollConfigurationToken": tok,
            "NextPollIntervalInSeconds": s["every"],
            "ContentType": ctype,
            "Configuration": body,
            "VersionLabel": label,
        }


def start(port=0, clock=None):
    """A running fake; `close` ends it."""
    s = Fake(port, clock)
    threading.Thread(target=s.serve_forever, args=(0.01,), daemon=True).start()
    return s
