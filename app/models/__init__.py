"""Rows: one file a noun, with its states and transitions. No use cases here, and nothing that speaks to a node."""

from app.models.chain import EventChain
from app.models.credential import CredentialKind, GitCredential, GitHost, GitHostKey
from app.models.event import Event
from app.models.hook import ForgeKind, Hook, HookDelivery, HookOutcome, HookSeen
from app.models.installation import Installation
from app.models.job import CHANGING_STATES, FINAL_STATES, Job, JobLogChunk, JobState
from app.models.key import SSHKey
from app.models.node import HostKey, Node, NodeStatus
from app.models.notification import Alert, ChannelKind, DeliveryState, NotificationChannel, NotificationDelivery
from app.models.probe import Probe
from app.models.project import Project, ProjectStatus
from app.models.project_set import ProjectSet
from app.models.recovery import Recovery
from app.models.run import FAILURES, RECAP, MemberState, Run, RunMember, RunState
from app.models.schedule import CatchUp, Overlap, RunOutcome, Schedule, ScheduledRun
from app.models.trash import TrashEntry
from app.models.user import ApiToken, OidcIdentity, RecoveryCode, Role, SecondFactor, User, UserSession

__all__ = [
    "CHANGING_STATES",
    "FAILURES",
    "FINAL_STATES",
    "RECAP",
    "Alert",
    "ApiToken",
    "CatchUp",
    "ChannelKind",
    "CredentialKind",
    "DeliveryState",
    "Event",
    "EventChain",
    "ForgeKind",
    "GitCredential",
    "GitHost",
    "GitHostKey",
    "Hook",
    "HookDelivery",
    "HookOutcome",
    "HookSeen",
    "HostKey",
    "Installation",
    "Job",
    "JobLogChunk",
    "JobState",
    "MemberState",
    "Node",
    "NodeStatus",
    "NotificationChannel",
    "NotificationDelivery",
    "OidcIdentity",
    "Overlap",
    "Probe",
    "Project",
    "ProjectSet",
    "ProjectStatus",
    "Recovery",
    "RecoveryCode",
    "Role",
    "Run",
    "RunMember",
    "RunOutcome",
    "RunState",
    "SSHKey",
    "Schedule",
    "ScheduledRun",
    "SecondFactor",
    "TrashEntry",
    "User",
    "UserSession",
]
