"""Every error of ours, as one tree. Foreign errors are translated where they enter.

BareboatError
├── Invalid                 a value that breaks a rule                      422
│   ├── UnsafePath          a name or path that could leave its place
│   ├── InvalidGitUrl
│   ├── PlaybookInvalid         names file, line, key and what to write
│   └── UnreadableKey       not a private key that we can use
├── Unauthenticated         nobody, or a wrong password or token            401
│   └── LoginRefused        by OIDC; says why
├── IssuerUnavailable       the OIDC issuer, or what it says, is of no use  503
├── Forbidden               without the right                               403
│   ├── CommandNotAllowed  SignatureInvalid  SecondFactorNeeded
├── NotFound                                                                404
├── Conflict                a state in the way                              409
│   ├── NameTaken  NodeInUse  KeyInUse  CredentialInUse  NodeOffline  NodeCordoned
│   │   HostKeyUnpinned  KeyMissing  ProjectBusy  WrongState  ChannelOff  HookReplayed
├── Throttled               too many requests; try later                    429
├── MasterKeyMissing  MasterKeyUnsafe  SecretUnreadable  DatabaseNotCurrent  SettingsWrong 500
├── NodeError               the node could not be spoken to                 502
│   ├── HostKeyError: HostKeyUnknown  HostKeyMismatch
│   ├── NameNotResolved  ConnectionRefused  NodeUnreachable  ConnectTimeout
│   ├── AuthFailed  ProtocolError  ShellUnusable  NodeBusy  ShuttingDown
│   └── ConnectionLost      spoken to, then silence: what ran may still run
├── DeliveryFailed          a notification was not taken                    502
├── LeaseLost               another runner has the job; never shown     500
└── ActFailed               the node answered, and the act did not succeed  502
    ├── ActTimedOut  ActCancelled  OutputLimitExceeded  StopUnconfirmed
    └── (the code says which: see app.failures)
"""

# A class that is added to one of these is an error of `app.errors` without a word here.
from app.errors.acts import *  # noqa: F403
from app.errors.base import *  # noqa: F403
from app.errors.conflicts import *  # noqa: F403
from app.errors.nodes import *  # noqa: F403
from app.failures import ACT_FAILURES as ACT_FAILURES
